import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { WallSpec } from '../domain/wall.ts';
import { quote } from './complaint.ts';
import type { Complaints } from './complain.ts';
import type { sandboxShape } from './schema-sandbox.ts';

type Written = z.output<typeof sandboxShape>;

/** What a server file says about the wall around its server; whatever does not fit is complained about. */
export function wallSpec(written: Written, folder: string, complaints: Complaints): WallSpec {
  const { sandbox, network, resources } = written;
  return {
    sandbox,
    network,
    read: declared('read', written, folder, complaints),
    write: declared('write', written, folder, complaints),
    resources: {
      memoryBytesMax: resources.memory_max,
      tmpBytesMax: resources.tmp_max,
      openFilesMax: resources.open_files_max,
      processesMax: resources.processes_max,
      cpuMsMax: resources.cpu_max,
      output: resources.output_max,
    },
  };
}

/** What belongs to the machine, and could be reached through whoever may see it: sockets, devices, other processes. */
const never = ['/', '/proc', '/sys', '/dev', '/run', '/var/run', '/boot', '/etc'];

function declared(
  key: 'read' | 'write',
  written: Written,
  folder: string,
  complaints: Complaints,
): readonly string[] {
  return written[key].map((text, at) => {
    const path = fromHome(text) ?? resolve(folder, text);
    if (/^~[^/]/.test(text))
      complaints.about(
        [key, at],
        `${quote(text)} names somebody's home`,
        'the whole path, or "~/…" for yours',
      );
    if (never.includes(path) || /^\/(proc|sys|dev)\//.test(path) || (key === 'write' && isSystem(path)))
      complaints.about(
        [key, at],
        `${path} belongs to the machine`,
        'the folders and files that the server is for',
      );
    else if (!existsSync(path))
      complaints.about(
        [key, at],
        `no folder at ${path}, and no file`,
        'a folder or file that is there when the server starts, or it does not get it',
        'warning',
      );
    return path;
  });
}

function fromHome(text: string): string | undefined {
  return text === '~' || text.startsWith('~/') ? resolve(homedir(), text.slice(2)) : undefined;
}

/** Who may write a program that others run has left the wall. */
function isSystem(path: string): boolean {
  return /^\/(usr|bin|sbin|lib\w*|etc)(\/|$)/.test(path);
}
