/** Somebody who does what a document says, in one shell that stays open, and what they see there. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { whoAmI } from '../../src/control/client.ts';
import { freePort, projectRoot, until } from './daemon.ts';

const launcher = join(projectRoot, 'src', 'launch.cjs');

export type Block = {
  readonly language: string;
  readonly text: string;
  /** What the comment before it says: `file: policies/mcpd.toml`, `in: desk.toml`. */
  readonly is: { readonly what: string; readonly name: string } | undefined;
  /** For the name of its test: the first line that says something. */
  readonly title: string;
};

/** The blocks of a document, in their order. */
export function blocksOf(document: string): readonly Block[] {
  const text = readFileSync(join(projectRoot, 'docs', document), 'utf8');
  return [...text.matchAll(/(?:<!-- (\w+): (\S+) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map((found) => {
    const [, what, name, language = '', body = ''] = found;
    const is = what === undefined || name === undefined ? undefined : { what, name };
    const line = text.slice(0, found.index).split('\n').length;
    const first = body.split('\n').find((it) => it !== '' && !it.startsWith('[[')) ?? '';
    return { language, text: body, is, title: `${document}:${line}: ${first}` };
  });
}

/** A folder like a clone of this repository, with a folder of the reader's own inside. */
export class Desk {
  readonly clone = mkdtempSync(join(tmpdir(), 'mcpd-manual-'));
  readonly home = join(this.clone, 'home');
  readonly first = join(this.clone, 'first');

  constructor() {
    symlinkSync(join(projectRoot, 'node_modules'), join(this.clone, 'node_modules'));
    mkdirSync(this.home, { mode: 0o700 });
    mkdirSync(this.first);
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.first, file)), { recursive: true });
    writeFileSync(join(this.first, file), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.clone, { recursive: true, force: true, maxRetries: 5 });
  }
}

export type Step = { readonly command: string; readonly shows: string };

export function stepsOf(block: string): readonly Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const end = step.indexOf('\n');
      return { command: step.slice(0, end), shows: step.slice(end + 1) };
    });
}

/** What differs from run to run, in one writing for both sides; columns move with it. */
export function masked(text: string): string {
  return text
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/\b[0-9a-f]{12}(\+\d+)?\b/g, '<version>')
    .replaceAll(/(?<=answered +)\d+(\.\d+)?/g, '<ms>')
    .replaceAll(/\b(?:\d+ h \d+ min|(?:\d+ min )?\d+ s)\b/g, '<span>')
    .replaceAll(/^The policy is in force.*$|^Nothing has changed.*$/gm, '<reloaded>')
    .replaceAll(/ +/g, ' ')
    .replaceAll(/ $/gm, '');
}

/** `…` stands for whatever else there is, in a line or as a line of its own for further lines. */
export function patternOf(shows: string): RegExp {
  const pieces = masked(shows)
    .split(/(^…\n)/m)
    .map((piece) => (piece === '…\n' ? '(?:.*\\n)*?' : piece.split('…').map(plain).join('.*')));
  return new RegExp(`^${pieces.join('')}$`);
}

function plain(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** At some tenths of a second each. */
const looksMax = 50;
/** Of 50 ms, for one command: the machine may be busy with other tests. */
const triesMax = 1200;

/** Somebody who does what the manual says, in one shell that stays open. */
export class Reader {
  readonly #desk = new Desk();
  readonly #shell: ChildProcess;
  readonly #port: number;
  #printed = '';
  #daemon: ChildProcess | undefined;
  #count = 0;
  /** What is made up anew in each run, in the order in which the document shows it, and as it is in this run. */
  readonly #theirs: readonly string[];
  readonly #ours: string[] = [];

  private constructor(port: number, document: string) {
    this.#port = port;
    this.#theirs = madeUpIn(document);
    this.#shell = spawn('bash', ['--norc'], { cwd: this.#desk.clone, env: this.#env, stdio: 'pipe' });
    this.#shell.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.#printed += chunk));
    this.#shell.stdin?.write('exec 2>&1\nmcpd() { "$NODE" "$LAUNCHER" "$@"; }\n');
  }

  /** `document`: the text that is read. */
  static async sitDown(document: string): Promise<Reader> {
    return new Reader(await freePort(), document);
  }

  get #env(): NodeJS.ProcessEnv {
    const { PATH } = process.env;
    return {
      PATH: `${join(projectRoot, 'node_modules', '.bin')}:${PATH ?? ''}`,
      HOME: this.#desk.home,
      LANG: 'C.UTF-8',
      NODE: process.execPath,
      LAUNCHER: launcher,
    };
  }

  /**
   * Types a line, or several, and gives what was printed, in the words of the document. Who looks too early looks again:
   * a call that was just made, or a child that was just started, may take a moment to be `expected`.
   */
  async types(typed: string, expected: RegExp = /./): Promise<string> {
    const command = this.#here(typed)
      .replace(/ &$/, ' > "$HOME/later" 2>&1 &')
      .replace(/^wait$/, 'wait; cat "$HOME/later"');
    const looks = /^mcpd ctl (approvals|pins)/.test(command);
    let printed = this.#there(await this.#run(command));
    for (let again = 0; looks && again < looksMax && !expected.test(masked(printed)); again++)
      printed = this.#there(await this.#run(command));
    if (command.startsWith('mcpd ctl restart')) await this.#ready();
    return printed;
  }

  async saves(file: string, text: string): Promise<void> {
    // From here on it is about something else.
    if (file === 'policies/mcpd.toml' && this.#daemon !== undefined) await this.#stop();
    const path = join((await this.#run('pwd')).trim(), file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.#here(text));
  }

  async appends(file: string, text: string): Promise<void> {
    const path = join((await this.#run('pwd')).trim(), file);
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n${text}`);
  }

  async starts(): Promise<void> {
    const cwd = (await this.#run('pwd')).trim();
    const daemon = spawn(process.execPath, [launcher, 'run'], { cwd, env: this.#env, stdio: 'ignore' });
    this.#daemon = daemon;
    await this.#ready();
  }

  async #ready(): Promise<void> {
    await until('mcpd is ready', async () => {
      assert.equal(this.#daemon?.exitCode, null);
      const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`).catch(() => undefined);
      return answer?.status === 200;
    });
  }

  async #stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await gone;
  }

  async leave(): Promise<void> {
    await this.#stop();
    const gone = new Promise((resolve) => this.#shell.once('exit', resolve));
    this.#shell.stdin?.end('exit\n');
    await gone;
    this.#desk[Symbol.dispose]();
  }

  async #run(command: string): Promise<string> {
    const end = `=== ${this.#count++} ===`;
    this.#printed = '';
    // Nothing that is typed may read what is typed next.
    this.#shell.stdin?.write(`{ ${command}\n} </dev/null\necho '${end}'\n`);
    await until(`an end of: ${command}`, () => this.#printed.endsWith(`${end}\n`), triesMax);
    return this.#printed.slice(0, -end.length - 1);
  }

  /** What the document says, as it is here: another port, other ids. */
  #here(text: string): string {
    let here = text.replaceAll('8377', String(this.#port));
    for (const [at, theirs] of this.#theirs.entries())
      here = here.replaceAll(theirs, this.#ours[at] ?? theirs);
    return here;
  }

  /** What is printed here, as the document has it. */
  #there(text: string): string {
    for (const one of madeUpIn(text)) if (!this.#ours.includes(one)) this.#ours.push(one);
    // Whoever runs the tests is Lea, the operator.
    const me = plain(whoAmI());
    const named = text.replaceAll(new RegExp(`(?<=^.* )${me}(?=$| {2}| said no)`, 'gm'), 'lea');
    let there = named
      .replaceAll(this.#desk.clone, '/home/ana/mcpd')
      .replaceAll(`127.0.0.1:${this.#port}`, '127.0.0.1:8377');
    for (const [at, ours] of this.#ours.entries()) there = there.replaceAll(ours, this.#theirs[at] ?? ours);
    return there;
  }
}

/** Ids of questions, tickets and grants, each once. */
function madeUpIn(text: string): readonly string[] {
  const found = text.matchAll(/(?<=^question +)[0-9a-z]{8}$|mcpd-ticket-[0-9a-f]{32}|\bg[0-9a-f]{10}\b/gm);
  return [...new Set([...found].map(([one]) => one))];
}
