import { join } from 'node:path';
import type { Command } from 'commander';
import { Fault } from '../domain/faults.ts';
import { examples, leaf } from './help.ts';
import type { Finish, Io } from './io.ts';
import { policiesDir, stateDir } from './place.ts';

const valueBytesMax = 64 * 1024 * 1024;
const depthMax = 512;

type Options = {
  readonly policies?: string;
  readonly json?: true;
  readonly stdin?: true;
  readonly jsonValue?: true;
};

/** `mcpd audit digest`: what stands in the journal for a value. */
export function addAuditDigest(audit: Command, io: Io, finish: Finish): void {
  leaf(audit, 'digest')
    .description('Says the digest that the journal has for the value of an argument.')
    .argument('[value]', 'a text; every user of this machine can see it in the list of processes')
    .option('--stdin', 'read the value from stdin instead, without the line feed at its end')
    .option('--json-value', 'the value is JSON: a number, a list, an object, …')
    .addHelpText(
      'after',
      examples([
        'mcpd audit digest /srv/secret-plan.txt',
        'mcpd audit digest --json-value 42',
        'mcpd audit digest --stdin < letter.txt',
      ]),
    )
    .action(async (value: string | undefined, options: Options) => {
      const dir = stateDir(policiesDir(options.policies, io.env), io.env);
      if ((value === undefined) !== (options.stdin === true))
        throw Object.assign(new Error('there must be one value'), {
          code: 'USAGE',
          hint: 'mcpd audit digest VALUE, or mcpd audit digest --stdin < FILE',
        });
      const digest = await digestsIn(dir);
      const told = digest(value ?? (await fromStdin()), options.jsonValue === true ? 'json' : 'text');
      finish(
        { reply: { ok: true, command: 'audit digest', digest: told }, text: told },
        options.json === true,
      );
    });
}

/** Gives the digests of values with the key of a state directory. Throws `CONFIG_INVALID` where there is no key to read. */
export async function digestsIn(dir: string): Promise<(value: string, as: 'text' | 'json') => string> {
  const { argumentDigest, argumentKey } = await import('../audit/argument-digest.ts');
  const { canonical } = await import('../protocol/codec.ts');
  const digest = argumentDigest(argumentKey(await sealKeyIn(dir)));
  return (value, as) => {
    try {
      // As it went out: readers of JSON write the same value in many ways, and mcpd sends it in one.
      return digest(
        canonical(as === 'json' ? value : JSON.stringify(value), { bytesMax: valueBytesMax, depthMax }),
      );
    } catch (cause) {
      const { detail, says } = Fault.from(cause);
      throw Object.assign(new Error(`this is no JSON value: ${detail ?? says}`, { cause }), {
        code: 'USAGE',
        hint: 'leave out --json-value, or the colon before =, where the value is a text',
      });
    }
  };
}

/** Only read: a key that was made here would be one that no digest was made with. */
async function sealKeyIn(dir: string): Promise<Buffer> {
  const { readOurs } = await import('../files/ours.ts');
  const path = join(dir, 'seal-key');
  const hex = readOurs(path, { bytesMax: 1024, closed: 'to everybody' })?.toString('utf8').trim();
  if (hex !== undefined && /^[0-9a-f]{64}$/.test(hex)) return Buffer.from(hex, 'hex');
  throw new Fault('CONFIG_INVALID', {
    detail: `there is no key in ${path}, so no journal of this state directory has digests that could be made again`,
    hint: 'name the policy folder of the daemon that wrote the journal: --policies DIR',
  });
}

async function fromStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > valueBytesMax) throw new Error('the value is larger than any that mcpd lets through');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
