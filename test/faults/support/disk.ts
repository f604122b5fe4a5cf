/** Small disks: a tmpfs that a test mounts, fills, empties and takes away again. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Why a small disk cannot be had here; false when it can. */
export function unmountable(): string | false {
  if (process.platform !== 'linux') return 'needs tmpfs, which is on Linux';
  if (process.getuid?.() !== 0) return 'needs root, to mount a small disk';
  const place = `/tmp/mcpd-mount-${randomUUID()}`;
  mkdirSync(place);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place], { stdio: 'ignore' });
    execFileSync('umount', [place], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs leave to mount, which root does not have here';
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export class SmallDisk {
  readonly dir: string;
  readonly #atExit = () => this.unmount();

  /** `size` as mount(8) takes it, such as `64k`. The folder is made where it is missing. */
  constructor(dir: string, size: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', dir]);
    process.on('exit', this.#atExit);
  }

  /** To the last byte: what mcpd has begun to use of a page stays its own. */
  fill(): void {
    for (const size of [65_536, 4096, 512, 1])
      try {
        for (;;) appendFileSync(this.#ballast, Buffer.alloc(size, '#'));
      } catch {
        // Full for pieces of this size.
      }
  }

  empty(): void {
    rmSync(this.#ballast, { force: true });
  }

  unmount(): void {
    process.removeListener('exit', this.#atExit);
    try {
      execFileSync('umount', ['-l', this.dir], { stdio: 'ignore' });
    } catch {
      // Unmounted already.
    }
  }

  get #ballast(): string {
    return join(this.dir, 'ballast');
  }
}
