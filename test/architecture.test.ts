import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';

/** From the ground up. A file imports from its own folder and from the floors below; the roof knows everyone. */
const floors: readonly (readonly string[])[] = [
  ['domain'],
  ['protocol'],
  ['files'],
  [
    'callers',
    'policy',
    'limits',
    'confirm',
    'rounds',
    'pins',
    'state',
    'audit',
    'redact',
    'fleet',
    'secrets',
    'wall',
    'packages',
    'config',
  ],
  ['call', 'operate'],
  ['front', 'control'],
];

const floorOfRooms = 3;
const floorOfStories = 4;
const floorOfDoors = 5;

/** What a story may take from a room: functions that only judge. Effects reach it through its plane. */
const pureForStories = new Set([
  'policy/decide.ts',
  'policy/narrow.ts',
  'policy/question.ts',
  'policy/compile.ts',
  'policy/preview.ts',
  'policy/arguments.ts',
]);

/** Each danger has one door. */
const doors: readonly { danger: string; imports: RegExp; only: RegExp }[] = [
  {
    danger: 'starting a process',
    imports: /^(node:)?child_process$/,
    only: /^fleet\/process\.ts$|^launch\.cjs$/,
  },
  { danger: 'reading the keychain', imports: /^@napi-rs\/keyring$/, only: /^secrets\// },
  {
    danger: 'speaking HTTP',
    imports: /^(node:)?https?$/,
    only: /^front\/|^connect\/wire\.ts$|^authority\.ts$/,
  },
  {
    danger: 'opening sockets',
    imports: /^(node:)?net$/,
    only: /^(front|control)\/|^(authority|public-address)\.ts$/,
  },
  { danger: 'parsing TOML', imports: /^toml(-eslint-parser)?$/, only: /^config\// },
  {
    danger: 'compiling expressions that others wrote',
    imports: /^re2js$/,
    only: /^protocol\/linear-regex\.ts$|^policy\/schema-pattern\.ts$/,
  },
  {
    danger: 'opening databases',
    imports: /^(node:)?sqlite$/,
    only: /^control\/lock\.ts$|^files\/database\.ts$/,
  },
  { danger: 'calling the system directly', imports: /^koffi$/, only: /^native\.ts$/ },
  { danger: 'checking signatures of tokens', imports: /^jose$/, only: /^callers\/tokens-/ },
  { danger: 'writing logs', imports: /^pino/, only: /^log\.ts$/ },
  { danger: 'reading the command line', imports: /^commander$/, only: /^cli(\.ts|\/)/ },
];

type Source = {
  readonly file: string;
  readonly text: string;
  readonly imports: readonly string[];
  /** Without those that only bring types. */
  readonly effects: readonly string[];
};

function named(text: string): string[] {
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] as string);
}

const root = join(import.meta.dirname, '..', 'src');
const sources: readonly Source[] = globSync('**/*.{ts,cjs}', { cwd: root }).map((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const code = text.replaceAll(/^import type [^;]*;$/gm, '');
  return { file, text, imports: named(text), effects: named(code) };
});

function floorOf(file: string): number {
  const folder = file.includes('/') ? (file.split('/')[0] as string) : '';
  const floor = floors.findIndex((rooms) => rooms.includes(folder));
  return floor < 0 ? floors.length : floor;
}

function roomOf(file: string): string {
  return file.split('/')[0] as string;
}

describe('the house', () => {
  it('is not empty', () => assert.ok(sources.length > 40));

  it('imports go down, and rooms do not know each other', () => {
    for (const { file, imports } of sources) {
      for (const wanted of imports.filter((name) => name.startsWith('.'))) {
        const target = relative(root, join(root, dirname(file), wanted));
        if (roomOf(target) === roomOf(file)) continue;
        // The roof is one floor: what it is made of may know each other.
        if (floorOf(file) === floors.length && floorOf(target) === floors.length) continue;
        assert.ok(
          floorOf(target) < floorOf(file),
          `${file} imports ${target}, which is not on a floor below`,
        );
        if (floorOf(file) === floorOfStories && floorOf(target) === floorOfRooms) {
          assert.ok(
            pureForStories.has(target) || isTypeOnly(file, wanted),
            `${file} takes an effect from ${target}`,
          );
        }
        if (floorOf(file) === floorOfDoors) {
          assert.notEqual(floorOf(target), floorOfRooms, `${file} is a door and knows a room: ${target}`);
        }
      }
    }
  });

  for (const { danger, imports: pattern, only } of doors) {
    it(`${danger} has one door`, () => {
      for (const { file, effects } of sources) {
        if (only.test(file)) continue;
        assert.deepEqual(
          effects.filter((name) => pattern.test(name)),
          [],
          file,
        );
      }
    });
  }

  it('only the trail issues a pass, only a check of the credential signs in, and only the fleet and the story spend one', () => {
    assert.deepEqual(filesWith(/\bPass\.issue\(/), ['audit/trail.ts']);
    assert.deepEqual(filesWith(/\bSignedIn\.issue\(/), ['callers/identify.ts']);
    for (const file of filesWith(/\bpass\.spend\(|\.spend\(\)/))
      assert.match(file, /^(fleet\/|call\/handle-call\.ts)/);
  });

  it('only the journal writes the journal', () => {
    const writers = sources.filter(
      ({ file, imports }) => file.startsWith('audit/') && imports.some((name) => /^(node:)?fs/.test(name)),
    );
    for (const { file } of writers) assert.match(file, /^audit\/(journal|segments?|query)[a-z-]*\.ts$/);
  });

  it('policy, limits and the words do no input or output', () => {
    for (const { file, imports } of sources) {
      if (!/^(policy|limits|domain)\//.test(file)) continue;
      const effects = imports.filter((name) =>
        /^(node:)?(fs|net|http|child_process|worker_threads|dns|tls)/.test(name),
      );
      assert.deepEqual(effects, [], file);
    }
  });

  it('no class is needed to follow a call', () => {
    for (const file of filesWith(/^export (abstract )?class /m)) {
      assert.notEqual(file, 'call/handle-call.ts');
      assert.notEqual(file, 'call/handle-upcall.ts');
    }
    assert.deepEqual(
      filesWith(/\bextends (?!Error\b|Record\b)[A-Z]\w+ \{/),
      [],
      'code is not shared by inheritance',
    );
  });

  it('one table turns faults into numbers', () => {
    for (const { file, text } of sources) {
      if (file === 'protocol/wire-errors.ts' || file.startsWith('domain/')) continue;
      assert.doesNotMatch(text, /UPSTREAM_TIMEOUT:\s*\[/, file);
    }
  });

  it('speaking HTTP outwards has one door', () => {
    assert.deepEqual(filesWith(/\bfetch\s*\(|\bundici\b|\bnew WebSocket\b|\bEventSource\(/), ['webhooks.ts']);
  });

  // The engine gives members other names than the text does (nodejs/node#63785).
  it('reading JSON has one door', () => {
    assert.deepEqual(filesWith(/\bJSON\.parse\(/), ['domain/read-json.ts']);
  });

  it('nothing runs a shell or code from text', () => {
    assert.deepEqual(filesWith(/shell:\s*true|\bexecSync\(|\beval\(|new Function\(/), []);
  });
});

function filesWith(pattern: RegExp): string[] {
  return sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);
}

function isTypeOnly(file: string, wanted: string): boolean {
  const text = sources.find((source) => source.file === file)?.text ?? '';
  const lines = text.split(';').filter((statement) => statement.includes(`'${wanted}'`));
  return lines.every((statement) => /import type/.test(statement));
}
