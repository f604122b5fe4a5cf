import { sealOf } from './files/kept.ts';

/** "mcpd" in ASCII. */
export const stateApplicationId = 0x6d637064;
/** 256 MiB. */
export const statePagesMax = 65_536;

const nothing = sealOf(0, []);

/** The steps of `state.db`, oldest first. A step that was released is never changed: the next one changes what it made. */
export const stateSteps: readonly string[] = [
  `
CREATE TABLE parts (
  part TEXT PRIMARY KEY,
  version INTEGER NOT NULL CHECK (version >= 0),
  seal TEXT NOT NULL,
  writes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO parts (part, version, seal, writes) VALUES
  ('switches', 0, '${nothing}', 0), ('grants', 0, '${nothing}', 0), ('pins', 0, '${nothing}', 0);

CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE switches (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  at INTEGER NOT NULL,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
  place INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  caller TEXT NOT NULL,
  server TEXT NOT NULL,
  tool TEXT NOT NULL,
  at INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  by TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;

CREATE TABLE pinned_servers (name TEXT PRIMARY KEY, sealed INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE pins (
  place INTEGER PRIMARY KEY,
  server TEXT NOT NULL,
  tool TEXT NOT NULL,
  digest TEXT NOT NULL,
  at INTEGER NOT NULL,
  how TEXT NOT NULL,
  by TEXT NOT NULL,
  definition TEXT,
  UNIQUE (server, tool)
) STRICT;

CREATE TABLE breakers (
  server TEXT NOT NULL,
  tool TEXT NOT NULL,
  since INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  rest_ms INTEGER NOT NULL,
  PRIMARY KEY (server, tool)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id_hash TEXT PRIMARY KEY,
  used_at INTEGER NOT NULL,
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`,
];
