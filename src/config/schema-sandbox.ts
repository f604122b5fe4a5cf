import { sandboxes } from '../domain/wall.ts';
import { choice, count, duration, list, said, size, table, text, words, yesOrNo } from './fields.ts';
import { readVolume, volumeExample } from './units.ts';

const paths = list(words('a path', 4096), 'a list of paths, counted from the folder of this file', 64);

/** What a server may use. A child is stopped when it uses more, and started again as after any other end. */
const resources = {
  memory_max: said(
    size('16MiB', '1024GiB').prefault('2GiB'),
    'Memory of one child and all that it starts; with more it is stopped.',
  ),
  tmp_max: said(size('1MiB', '64GiB').prefault('256MiB'), 'What fits into its temporary folder.'),
  open_files_max: said(count(16, 1_048_576).default(4096), 'Open files of one process.'),
  processes_max: said(count(8, 100_000).default(1024), 'Processes and threads of one child.'),
  cpu_max: said(
    duration('1s', '365d').prefault('1d'),
    'Processor time of one child since its start; with more it is stopped.',
  ),
  output_max: said(
    text(volumeExample, readVolume, '^\\d{1,9}(B|KiB|MiB|GiB)/(s|min|h)$').prefault('4GiB/min'),
    'What one child may write in a span; with more it is stopped.',
  ),
};

/** The keys of a server file that say what the server is kept from. */
export const sandboxKeys = {
  sandbox: said(
    choice(
      sandboxes,
      '"auto" (behind what of the wall this machine can build), "strict" (behind the whole wall or not at all) or "off"',
    ).default('auto'),
    'auto: behind what of the wall this machine can build. strict: behind all of it or not at all. off: as it is.',
  ),
  network: said(
    yesOrNo.default(false),
    'true: it is on the network of this machine. Else it has none behind the wall.',
  ),
  read: said(paths.default([]), 'What it may read besides its own program and its working folder.'),
  write: said(paths.default([]), 'What it may read and write. Nothing else is.'),
  resources: said(table(resources, 'a table of limits').prefault({}), 'What one child may use.'),
};

export const sandboxShape = table(sandboxKeys);
