/** Keys, certificates and lists of revoked ones, made by openssl for one test. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const noOpenssl: string | false =
  spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed here';

export type Pair = { readonly cert: string; readonly key: string };

export type Wanted = {
  /** As openssl writes it: `/O=Corp/CN=agent`. */
  readonly subject?: string;
  /** As openssl writes them: `URI:spiffe://corp/agent,DNS:agent.corp`. */
  readonly names?: string;
  readonly usage?: 'clientAuth' | 'serverAuth';
  /** `YYYYMMDDHHMMSSZ`. */
  readonly from?: string;
  readonly to?: string;
};

/** A certificate authority with a folder of its own. */
export class Authority {
  readonly dir: string;
  readonly cert: string;
  readonly crl: string;

  constructor(dir: string, name: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
    this.cert = join(dir, 'ca.pem');
    this.crl = join(dir, 'crl.pem');
    writeFileSync(join(dir, 'index.txt'), '');
    writeFileSync(join(dir, 'crlnumber'), '01\n');
    writeFileSync(
      join(dir, 'ca.cnf'),
      `[ca]\ndefault_ca=d\n[d]\ndir=${dir}\ndatabase=${dir}/index.txt\ncrlnumber=${dir}/crlnumber\nnew_certs_dir=${dir}\nrand_serial=yes\ndefault_md=sha256\ndefault_days=30\ndefault_crl_days=30\npolicy=p\nunique_subject=no\ncopy_extensions=copy\ncertificate=${this.cert}\nprivate_key=${dir}/ca.key\n[p]\nO=optional\nCN=optional\n`,
    );
    this.#run(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${dir}/ca.key -out ${this.cert} -days 30 -subj /CN=${name} -addext basicConstraints=critical,CA:TRUE`,
    );
    this.list();
  }

  /** A certificate and its key. */
  issue(file: string, wanted: Wanted = {}): Pair {
    const { subject = `/CN=${file}`, names, usage = 'clientAuth', from, to } = wanted;
    const [cert, key, csr] = ['pem', 'key', 'csr'].map((end) => join(this.dir, `${file}.${end}`)) as [
      string,
      string,
      string,
    ];
    const extensions = [
      `-addext extendedKeyUsage=${usage}`,
      ...(names === undefined ? [] : [`-addext subjectAltName=${names}`]),
    ];
    this.#run(
      `req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${key} -out ${csr} -subj ${subject} ${extensions.join(' ')}`,
    );
    const dates = [
      ...(from === undefined ? [] : ['-startdate', from]),
      ...(to === undefined ? [] : ['-enddate', to]),
    ];
    this.#run(`ca -batch -config ${this.dir}/ca.cnf -in ${csr} -out ${cert} -notext ${dates.join(' ')}`);
    chmodSync(key, 0o600);
    return { cert, key };
  }

  revoke({ cert }: Pair): void {
    this.#run(`ca -config ${this.dir}/ca.cnf -revoke ${cert}`);
    this.list();
  }

  /** Writes the list of revoked certificates. */
  list(): void {
    this.#run(`ca -config ${this.dir}/ca.cnf -gencrl -out ${this.crl}`);
  }

  #run(args: string): void {
    execFileSync('openssl', args.trim().split(/\s+/), { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
