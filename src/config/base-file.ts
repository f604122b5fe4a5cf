import { dirname } from 'node:path';
import { Complaints } from './complain.ts';
import type { Complaint } from './complaint.ts';
import { parsed } from './parse.ts';
import { sha256Of, type BaseBytes } from './read.ts';
import { salvage } from './salvage.ts';
import { baseShape, launchKeys } from './schema-server.ts';
import { termsOf, type Terms } from './terms.ts';
import type { Places } from './toml.ts';

/** A base, read once for all files that extend it. `terms` is undefined when the file is no TOML at all. */
export type Base = {
  readonly file: string;
  readonly sha256: string;
  readonly terms: Terms | undefined;
  readonly places: Places | undefined;
  readonly complaints: readonly Complaint[];
};

/** Reads a base: what a server file holds besides how to run the server. */
export function baseFile(read: BaseBytes, detectors: readonly string[] | undefined): Base {
  const { file, bytes, path } = read;
  const sha256 = sha256Of(bytes);
  const document = parsed(read);
  if (!document.ok)
    return { file, sha256, terms: undefined, places: undefined, complaints: document.complaints };
  const { value, places } = document;
  const complaints = new Complaints(file, places);
  const here = { folder: dirname(path), complaints };
  for (const key of launchKeys)
    if (Object.hasOwn(value, key))
      complaints.aboutKey(
        [key],
        key === 'extends'
          ? 'a base extends nothing'
          : `"${key}" says how to run one server, and a base is for several`,
        key === 'extends' ? 'no such line' : 'this line in servers/NAME.toml',
      );
  const terms = Object.fromEntries(Object.entries(value).filter(([key]) => !launchKeys.includes(key)));
  const written = complaints.check(baseShape, terms) ?? salvage(baseShape, terms, {});
  return {
    file,
    sha256,
    terms: written === undefined ? undefined : termsOf(written, detectors, here),
    places,
    complaints: complaints.all,
  };
}
