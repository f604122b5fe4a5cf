import type { JsonObject } from '../domain/message.ts';
import { printableJson } from '../domain/printable.ts';
import { csvHead, csvLine } from './export-csv.ts';
import { ocsfOf } from './export-ocsf.ts';

/** How records are written for other programs. */
export type Format = {
  /** Before the first record. */
  readonly head: string;
  /** A record, with the end of its line. */
  readonly line: (record: JsonObject) => string;
};

/** `version`: of mcpd, for formats that name their producer. */
export function exportFormats(version: string): ReadonlyMap<string, Format> {
  return new Map<string, Format>([
    ['jsonl', { head: '', line: json }],
    ['csv', { head: csvHead, line: csvLine }],
    ['ocsf', { head: '', line: (record) => json(ocsfOf(record, version)) }],
  ]);
}

function json(value: JsonObject): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}
