import type { Complaint } from './complaint.ts';
import { decode, type PolicyBytes } from './read.ts';
import { readToml, type Places } from './toml.ts';

/** What a file says and where, or why it is no TOML. */
export type Parsed =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>>; readonly places: Places }
  | { readonly ok: false; readonly complaints: readonly Complaint[] };

/** Decodes and parses one file. */
export function parsed(read: Pick<PolicyBytes, 'file' | 'bytes'>): Parsed {
  const text = decode(read);
  if (typeof text !== 'string') return { ok: false, complaints: [text] };
  const toml = readToml(text);
  if (!toml.ok)
    return {
      ok: false,
      complaints: toml.slips.map((slip) => ({ severity: 'error', file: read.file, ...slip })),
    };
  // A TOML document is always a table.
  return { ok: true, value: toml.document.value as Record<string, unknown>, places: toml.document.places };
}
