import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openLog, type Log, type LogOptions } from '../../src/log.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-log-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function open(more: Partial<LogOptions> = {}): Promise<{ log: Log; said: () => string }> {
  let said = '';
  const stdout = { write: (text: string) => (said += text) };
  const log = await openLog({
    level: 'info',
    dir: join(dir, 'log'),
    size: 10_000_000,
    count: 3,
    redact: (text) => text.replaceAll('hunter2', '[redacted]'),
    isTty: false,
    stdout,
    ...more,
  });
  return { log, said: () => said };
}

const lines = () =>
  readdirSync(join(dir, 'log')).flatMap((file) =>
    readFileSync(join(dir, 'log', file), 'utf8')
      .trim()
      .split('\n'),
  );

describe('a detached daemon', () => {
  test('logs JSON that carries the correlation id, on disk before log() returns', async () => {
    const { log, said } = await open();
    log.log('info', { id: 'c-1', server: 'files' }, 'forwarded');
    const record = JSON.parse(lines()[0] ?? '') as Record<string, unknown>;
    assert.equal(record['id'], 'c-1');
    assert.equal(record['msg'], 'forwarded');
    assert.equal(record['level'], 'info');
    assert.match(said(), /^mcpd: the log is in .*\n$/);
    await log.close();
  });

  test('keeps its log to itself', async () => {
    const { log } = await open();
    log.log('info', {}, 'x');
    await log.close();
    assert.equal(statSync(join(dir, 'log')).mode & 0o777, 0o700);
    assert.equal(statSync(join(dir, 'log', 'mcpd.1.log')).mode & 0o077, 0);
  });

  test('writes no secret, neither in a message nor in a field', async () => {
    const { log } = await open();
    log.log('error', { env: { token: 'hunter2' } }, 'the token is hunter2');
    await log.close();
    assert.ok(!lines().join('\n').includes('hunter2'));
    assert.ok(lines().join('\n').includes('[redacted]'));
  });

  test('withholds a line that the redactor fails on', async () => {
    const { log } = await open({
      redact: () => {
        throw new Error('hunter2');
      },
    });
    log.log('error', {}, 'hunter2');
    await log.close();
    assert.match(lines().join('\n'), /withheld/);
    assert.ok(!lines().join('\n').includes('hunter2'));
  });

  test('says nothing below its level', async () => {
    const { log } = await open({ level: 'warn' });
    log.log('info', {}, 'quiet');
    log.log('warn', {}, 'loud');
    await log.close();
    assert.equal(lines().length, 1);
  });

  test('drops what is logged after close instead of failing', async () => {
    const { log } = await open();
    await log.close();
    await log.close();
    log.log('info', {}, 'late');
    assert.deepEqual(lines(), ['']);
  });

  test('keeps no more files than it was told, those of earlier lives included', async () => {
    for (let life = 0; life < 4; life++) {
      const { log } = await open({ size: 1024, count: 2 });
      for (let i = 0; i < 20; i++) {
        log.log('info', { i }, 'x'.repeat(200));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await log.close();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(readdirSync(join(dir, 'log')).length <= 3, readdirSync(join(dir, 'log')).join());
  });

  test('loses nothing of a burst when it is killed right after', async () => {
    const script = `
      const { openLog } = await import(${JSON.stringify(new URL('../../src/log.ts', import.meta.url).href)});
      const log = await openLog({ level: 'info', dir: ${JSON.stringify(join(dir, 'log'))}, size: 10_000_000, count: 2, redact: (t) => t, isTty: false, stdout: { write() {} } });
      for (let i = 0; i < 500; i++) log.log('info', { i }, 'burst');
      process.kill(process.pid, 'SIGKILL');`;
    spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(lines().length, 500);
  });

  test('refuses a log directory that is a link', async () => {
    symlinkSync('/tmp', join(dir, 'log'));
    await assert.rejects(open(), { code: 'CONFIG_INVALID' });
  });
});

describe('a person at a terminal', () => {
  test('reads coloured lines, and no file is made', async () => {
    const { log, said } = await open({ isTty: true });
    log.log('warn', { id: 'c-2' }, 'held');
    assert.match(said(), /WARN/);
    assert.match(said(), /held/);
    assert.match(said(), /c-2/);
    assert.deepEqual(readdirSync(dir), []);
    await log.close();
  });

  test('is shown no escape sequence, reversal or line break that a server wrote', async () => {
    const { log, said } = await open({ isTty: true });
    const evil = '\x1b[2J\x1b[31mgone \u202e\u2066 \x9b1m\r\nmcpd: approved';
    log.log('info', { stderr: evil, nested: { [evil]: [evil] } }, evil);
    // What pino-pretty itself writes is colour and the final line break.
    const plain = said()
      .replace(/\x1b\[\d+m/g, '')
      .replace(/\n$/, '');
    assert.doesNotMatch(plain, /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    await log.close();
  });

  test('is shown no secret', async () => {
    const { log, said } = await open({ isTty: true });
    log.log('info', {}, 'hunter2');
    assert.ok(!said().includes('hunter2'));
    await log.close();
  });
});
