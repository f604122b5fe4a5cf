import { fromCell, toCell } from '../files/cell.ts';
import type { Database, Row } from '../files/database.ts';

export type Rest = {
  readonly server: string;
  readonly tool: string;
  readonly since: number;
  readonly untilMs: number;
  readonly restMs: number;
};

export type RestRowsParts = {
  readonly database: Database;
  /** Takes the secrets out of a text. */
  readonly clean: (text: string) => string;
  /** Told why a rest could not be kept. Must not throw. */
  readonly onTrouble: (reason: unknown) => void;
};

const nameCharsMax = 1024;

/**
 * Which tools rest, in the state's database. They are a courtesy to tools that fail, and nobody's protection: what cannot be
 * kept is told and forgotten, and what cannot be read is left out.
 */
export class RestRows {
  readonly #parts: RestRowsParts;

  constructor(parts: RestRowsParts) {
    this.#parts = parts;
  }

  load(): readonly Rest[] {
    try {
      return this.#parts.database.all('SELECT * FROM breakers').flatMap(restAt);
    } catch (reason) {
      this.#parts.onTrouble(reason);
      return [];
    }
  }

  keep({ server, tool, since, untilMs, restMs }: Rest): void {
    // The name is the caller's own word until some server has such a tool; nothing unredacted is written down.
    if (tool.length > nameCharsMax || this.#parts.clean(tool) !== tool) return;
    this.#change(
      'INSERT OR REPLACE INTO breakers (server, tool, since, until_ms, rest_ms) VALUES (?, ?, ?, ?, ?)',
      ...[toCell(server), toCell(tool), since, untilMs, restMs],
    );
  }

  drop(server: string, tool: string): void {
    this.#change('DELETE FROM breakers WHERE server = ? AND tool = ?', toCell(server), toCell(tool));
  }

  #change(sql: string, ...values: readonly (string | number)[]): void {
    const { database, onTrouble } = this.#parts;
    try {
      database.transaction(() => database.run(sql, ...values));
    } catch (reason) {
      onTrouble(reason);
    }
  }
}

function restAt(row: Row): readonly Rest[] {
  const { since, until_ms: untilMs, rest_ms: restMs } = row;
  if (!isTime(since) || !isTime(untilMs) || !isTime(restMs)) return [];
  try {
    return [{ server: fromCell(row['server']), tool: fromCell(row['tool']), since, untilMs, restMs }];
  } catch {
    return [];
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
