/** What an auditor waits for: the index of a journal of a million records, made and asked. `node bench/audit-query.ts [records]` */
import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findAll, findNewest, type Watcher } from '../src/audit/index-find.ts';
import { pathOf, readJournal } from '../src/audit/journal-files.ts';
import type { Filter } from '../src/audit/query-filter.ts';
import { query } from '../src/audit/query.ts';
import { tableText } from './table.ts';

const fileBytes = 64 * 1024 * 1024;
const startMs = Date.UTC(2026, 0, 1);
/** Between two records. */
const everyMs = 25;

/** A journal as a busy daemon writes one; two records a call, some forty calls in flight. Gives the id of one in the middle. */
export function writeJournal(dir: string, records: number): string {
  let [number, bytes, seq, middle] = [1, 0, 0, ''];
  let file = openSync(pathOf(dir, number), 'wx', 0o600);
  const open: string[] = [];
  let lines: string[] = [];
  const put = (rest: string): void => {
    const line = `{"seq":${++seq},"prev":"${randomBytes(32).toString('base64url')}",${rest}\n`;
    lines.push(line);
    bytes += line.length;
    if (lines.length < 1000 && seq < records && bytes < fileBytes) return;
    writeSync(file, lines.join(''));
    lines = [];
    if (bytes < fileBytes) return;
    closeSync(file);
    file = openSync(pathOf(dir, ++number), 'wx', 0o600);
    bytes = 0;
  };
  while (seq < records) {
    const time = new Date(startMs + seq * everyMs).toISOString();
    if (open.length < 40 && seq + open.length < records) {
      const id = randomUUID();
      if (middle === '' && seq > records / 2) middle = id;
      open.push(id);
      put(intentOf(id, seq, time));
      continue;
    }
    const [id = ''] = open.splice((seq * 7) % open.length, 1);
    const error = seq % 97 === 0 ? ',"error":"tool-error","errorSide":"upstream"' : '';
    put(
      `"kind":"outcome","time":"${time}","id":"${id}","committed":true,"outcome":"answered"${error},"resultBytes":912,"records":1,"durationMs":12.345}`,
    );
  }
  closeSync(file);
  return middle;
}

const tools = ['read_file', 'list_directory', 'search_files', 'write_file', 'get_issue', 'create_issue'];

function intentOf(id: string, seq: number, time: string): string {
  const tool = tools[seq % tools.length] ?? '';
  const path = `/srv/projects/p${seq % 311}/src/file-${seq % 250_007}.ts`;
  const digest = () => `hmac:${randomBytes(17).toString('base64url').slice(0, 22)}`;
  return (
    `"kind":"decision","phase":"intent","time":"${time}","id":"${id}","caller":"caller-${seq % 50}",` +
    `"client":{"name":"desk","version":"1.2.3"},"session":"${(seq % 1009).toString(16).padStart(12, '0')}",` +
    `"via":"key AbCd1234","userAgent":"desk/1.2.3","remote":"127.0.0.1","server":"server-${seq % 7}",` +
    `"serverVersion":"1.4.0","toolDigest":"0123456789abcdef","method":"tools/call",` +
    `"target":{"kind":"tool","name":"${tool}"},"resources":{"path":"${path}"},` +
    `"decision":{"kind":"allow","rule":"reading","orders":"a4e787a403bf+0","approvedBy":"policy"},"argBytes":96,` +
    `"args":{"path":"${digest()}","count":"${digest()}"}}`
  );
}

async function report(records: number): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-bench-'));
  try {
    const id = writeJournal(dir, records);
    const rows: string[][] = [];
    const watcher: Watcher = {
      progress: () => undefined,
      withoutIndex: (why) => {
        throw new Error(why);
      },
    };
    const timed = async (name: string, work: () => Promise<number>) => {
      const begin = performance.now();
      const found = await work();
      rows.push([name, (performance.now() - begin).toFixed(1), String(found)]);
    };
    const ask = async (filter: Filter) => (await findNewest(dir, filter, 50, watcher)).records.length;
    await timed('the index is made, and a call found by its id', () => ask({ correlation: id }));
    const time = (share: number) => startMs + records * everyMs * share;
    const asked: readonly (readonly [string, Filter])[] = [
      ['a call by its id', { correlation: id }],
      ['no such id', { correlation: randomUUID() }],
      ['a caller', { caller: 'caller-7' }],
      ['a tool of a server', { tool: 'server-3/write_file' }],
      ['a caller, a tool and an error', { caller: 'caller-7', tool: 'write_file', outcome: 'tool-error' }],
      ['an error', { outcome: 'tool-error' }],
      ['an outcome that is rare', { outcome: 'unknown' }],
      ['a resource', { resource: '/srv/projects/p7/src/file-7.ts' }],
      ['all below a folder', { resource: '/srv/projects/p7/*' }],
      ['an hour in the middle', { sinceMs: time(0.5), untilMs: time(0.5) + 3_600_000 }],
      ['a caller in the first tenth', { caller: 'caller-7', untilMs: time(0.1) }],
      ['an argument', { args: [{ name: 'path', digest: 'hmac:AAAAAAAAAAAAAAAAAAAAAA' }] }],
    ];
    for (const [name, filter] of asked) await timed(name, () => ask(filter));
    await timed('everything, as for an export', async () => {
      let count = 0;
      for await (const record of findAll(dir, {}, watcher)) count += record['kind'] === 'call' ? 1 : 0;
      return count;
    });
    await timed(
      'a call by its id, without an index',
      async () => (await query(readJournal(dir), { correlation: id }, 50)).records.length,
    );
    const bytes = (pattern: RegExp) =>
      readdirSync(dir).reduce((sum, it) => sum + (pattern.test(it) ? statSync(join(dir, it)).size : 0), 0);
    const mib = (pattern: RegExp) => (bytes(pattern) / 1024 / 1024).toFixed(0);
    const memory = (process.resourceUsage().maxRSS / 1024).toFixed(0);
    return `${tableText(['what', 'ms', 'found'], rows)}\n\njournal ${mib(/^journal/)} MiB, index ${mib(/^index/)} MiB, most memory ${memory} MiB`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) process.stdout.write(`${await report(Number(process.argv[2] ?? 1_000_000))}\n`);
