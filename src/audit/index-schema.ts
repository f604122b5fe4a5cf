import { join } from 'node:path';
import type { DatabasePlace } from '../files/database.ts';

/*
 * The index of a journal: where the parts of each call stand, and by which words it is found. It holds nothing that the journal
 * does not say, it is never shown, and it is thrown away whenever it does not fit.
 *
 *   calls      one row for each record or call, by the place of its first line; `last` is the intent of its last try, `ended` its
 *              outcome. A place is a file and an offset, see query-files.ts
 *   facets     word → calls. A word is hashed: what is found by one is read and looked at before it is shown
 *   resources  the beginnings of recorded resources, as text, because they are searched by how they begin
 *   spans      stretches of the journal and the times in them, because clocks go back
 *   open       calls whose outcome has not come yet
 *   files      how far each file has been read, and how to see that it is still the same one
 */
const tables = `
CREATE TABLE files (
  number INTEGER PRIMARY KEY, inode TEXT NOT NULL, changed TEXT NOT NULL, done INTEGER NOT NULL, tail TEXT NOT NULL,
  unreadable INTEGER NOT NULL
) STRICT;
CREATE TABLE calls (
  at INTEGER PRIMARY KEY, length INTEGER NOT NULL, seq INTEGER, time INTEGER,
  last INTEGER, last_length INTEGER, ended INTEGER, ended_length INTEGER
) STRICT;
CREATE TABLE facets (word INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (word, at)) WITHOUT ROWID, STRICT;
CREATE TABLE resources (text TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (text, at)) WITHOUT ROWID, STRICT;
CREATE TABLE spans (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, earliest INTEGER, latest INTEGER) STRICT;
CREATE TABLE open (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
`;

/** Only a copy of what the journal says: a power cut may take it, and then it is made anew. */
export function indexAt(dir: string, generation: number): DatabasePlace {
  return { path: join(dir, indexName(generation)), applicationId: 0x6d637178, steps: [tables], sync: 'off' };
}

function indexName(generation: number): string {
  return `index-${String(generation).padStart(6, '0')}.db`;
}

/** The generation and what is behind it, of an index file or one that SQLite keeps beside it. */
export const indexFile = /^index-(\d{6})\.db(-wal|-shm)?$/;

/** Resources are indexed by so much of their beginning. */
export const resourceCharsMax = 256;
