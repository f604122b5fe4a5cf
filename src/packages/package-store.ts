import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { FetchedPackage, ServerSpec } from '../domain/orders.ts';
import { FileDigests } from './file-digest.ts';
import { askedOf, lookAt, looksInside, type House } from './look.ts';
import type { Installed } from './npx-tree.ts';
import { checkPackage, checkProgram } from './pinned.ts';
import { readRecords, writeRecords, type Known, type Records } from './record.ts';

export type PackageParts = {
  /** The record. `read` gives undefined where there is none; `write` replaces it whole, durably, or throws. */
  readonly file: {
    readonly path: string;
    readonly read: () => Buffer | undefined;
    readonly write: (text: string) => void;
  };
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly house: House;
  /** Told what is new; not what is as it was. Must not throw. */
  readonly told?: (news: PackageNews) => void;
};

export type PackageNews = { readonly server: string } & (
  | { readonly kind: 'runs'; readonly installed: Installed }
  | { readonly kind: 'drift'; readonly was: Installed; readonly installed: Installed }
  /** What it runs cannot be told, or not all of it. */
  | { readonly kind: 'unknown'; readonly because: string }
  /** A pin does not hold: the server is not started. */
  | { readonly kind: 'refused'; readonly because: string }
  /** The record could not be written: after a restart it is not known. */
  | { readonly kind: 'unsaved'; readonly because: string }
);

/** What an operator sees of one server. Plain data. */
export type PackageReport = {
  readonly server: string;
  readonly by: string;
  readonly asked: string;
  readonly installed: Installed | null;
  /** Why `installed` is null or lacks something. */
  readonly because: string | null;
  /** What it ran when somebody last agreed; null unless that was something else. */
  readonly was: Installed | null;
  readonly pinned: boolean;
};

/** What mcpd has seen of a server since it was started. */
type Sight = Omit<PackageReport, 'server' | 'was'>;

/**
 * Which programs and packages the servers run: what the owner pinned is checked before each start, and what came of a
 * package is looked at after it. A package that changes after it was approved is how postmark-mcp 1.0.16 came into houses
 * that had looked at 1.0.15. One per daemon.
 */
export class PackageStore {
  readonly #parts: PackageParts;
  readonly #digests: FileDigests;
  #records: Records;
  #unsaved: string | undefined;
  readonly #sights = new Map<string, Sight>();
  /** Server → what was told last, so that a child that is started often tells once. */
  readonly #told = new Map<string, PackageNews>();

  private constructor(parts: PackageParts, records: Records) {
    this.#parts = parts;
    this.#digests = new FileDigests(parts.clock.wallMs);
    this.#records = records;
  }

  /** Throws `CONFIG_INVALID` when the record is damaged or somebody else's. */
  static open(parts: PackageParts): PackageStore {
    const bytes = parts.file.read();
    return new PackageStore(parts, bytes === undefined ? new Map() : readRecords(bytes, parts.file.path));
  }

  /** Why something is known that a restart would forget; undefined when all is on disk. */
  get unsaved(): string | undefined {
    return this.#unsaved;
  }

  /**
   * Before each start of a child: resolves when program and package are what the owner pinned, or nothing is pinned. Rejects
   * with `UPSTREAM_DOWN`. Between this look and the start, whoever can write to those files can still change them.
   */
  async admit(spec: ServerSpec): Promise<void> {
    try {
      if (spec.sha256 !== undefined) await checkProgram(spec, spec.sha256, this.#digests);
      if (spec.fetched?.pin !== undefined)
        await checkPackage(spec, spec.fetched, spec.fetched.pin, this.#parts.house);
      // Should it be refused again, for the same reason, that is news.
      if (this.#told.get(spec.name)?.kind === 'refused') this.#told.delete(spec.name);
    } catch (reason) {
      const fault = Fault.from(reason);
      this.#tell({ server: spec.name, kind: 'refused', because: fault.message });
      throw fault;
    }
  }

  /** After a child was started: looks at what it runs. Never rejects. */
  async saw(spec: ServerSpec): Promise<void> {
    const { fetched, name: server } = spec;
    if (fetched === undefined) {
      this.#sights.delete(server);
      return;
    }
    const look = await lookAt(spec, fetched, this.#parts.house);
    const installed = look.kind === 'found' ? look.installed : null;
    const asked = askedOf(fetched);
    const because = look.kind === 'found' ? limitsOf(fetched) : look.why;
    this.#sights.set(server, {
      by: fetched.by,
      asked,
      installed,
      because,
      pinned: fetched.pin !== undefined,
    });
    if (installed === null) this.#tell({ server, kind: 'unknown', because: because ?? '' });
    else this.#compare(server, asked, installed);
  }

  /** What is known of these servers, in their order. */
  report(servers: Iterable<string>): readonly PackageReport[] {
    return [...servers].flatMap((server) => {
      const sight = this.#sights.get(server);
      if (sight === undefined) return [];
      const known = this.#records.get(server);
      const drifted = known?.asked === sight.asked && known.drift !== null;
      return [{ server, ...sight, was: drifted ? known.installed : null }];
    });
  }

  /** Agrees to what a server runs now. Rejects nothing; throws `Fault` when that cannot be written down. */
  acknowledge(
    server: string,
    by: string,
  ): { readonly kind: 'done' | 'already'; readonly installed: Installed } | { readonly kind: 'unseen' } {
    const known = this.#records.get(server);
    const sight = this.#sights.get(server);
    if (known === undefined || sight?.installed === null || sight === undefined) return { kind: 'unseen' };
    if (known.drift === null || known.asked !== sight.asked)
      return { kind: 'already', installed: sight.installed };
    const { installed } = sight;
    const next = new Map(this.#records);
    next.set(server, { ...known, installed, at: this.#parts.clock.wallMs(), by, drift: null });
    // In force once it is on disk: an agreement that a restart forgets would be asked for again.
    this.#parts.file.write(writeRecords(next));
    this.#records = next;
    this.#unsaved = undefined;
    return { kind: 'done', installed };
  }

  #compare(server: string, asked: string, installed: Installed): void {
    const known = this.#records.get(server);
    const at = this.#parts.clock.wallMs();
    if (known?.asked !== asked) {
      this.#save(server, { asked, installed, at, by: '', drift: null });
      this.#tell({ server, kind: 'runs', installed });
    } else if (!isSame(known.drift?.installed ?? known.installed, installed)) {
      // Kept until somebody agrees, also when the old one comes back: it did run.
      this.#save(server, { ...known, drift: { installed, at } });
      this.#tell({ server, kind: 'drift', was: known.installed, installed });
    } else if (known.drift !== null) {
      this.#tell({ server, kind: 'drift', was: known.installed, installed });
    } else this.#tell({ server, kind: 'runs', installed });
  }

  /** Tries once more what the disk did not take. True: it has it now. */
  retry(): boolean {
    if (this.#unsaved === undefined) return false;
    try {
      this.#parts.file.write(writeRecords(this.#records));
    } catch {
      // It was told of.
      return false;
    }
    this.#unsaved = undefined;
    return true;
  }

  #save(server: string, known: Known): void {
    this.#records = new Map([...this.#records, [server, known]]);
    try {
      this.#parts.file.write(writeRecords(this.#records));
      this.#unsaved = undefined;
    } catch (reason) {
      this.#unsaved = messageOf(reason);
      this.#tell({ server, kind: 'unsaved', because: this.#unsaved });
    }
  }

  #tell(news: PackageNews): void {
    const { server } = news;
    if (JSON.stringify(this.#told.get(server)) === JSON.stringify(news)) return;
    this.#told.set(server, news);
    this.#parts.told?.(news);
  }
}

/** Why less is known than of a package that npm installed. */
function limitsOf(fetched: FetchedPackage): string | null {
  return looksInside(fetched)
    ? null
    : `only what its file asks for is known: mcpd cannot look at what ${fetched.by} has installed`;
}

function isSame(a: Installed, b: Installed): boolean {
  return a.name === b.name && a.version === b.version && a.integrity === b.integrity && a.tree === b.tree;
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
