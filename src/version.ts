import { readFileSync } from 'node:fs';
import { readJson } from './domain/read-json.ts';

/** The version in package.json, which stands one folder above `src` and above `dist`. */
export const version: string = (
  readJson(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
