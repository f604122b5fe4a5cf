/** How fast answers are looked through: in this process, one core, no daemon. `node bench/redact.ts` prints the table. */
import type { Call } from '../src/domain/call.ts';
import type { JsonText } from '../src/domain/message.ts';
import type { Orders, RedactText, ServerOrders } from '../src/domain/orders.ts';
import { encode } from '../src/protocol/codec.ts';
import { Redactor } from '../src/redact/redact.ts';
import { tableText } from './table.ts';

const textChars = 4_000_000;
const shortChars = 1_000;

/** Bytes a second and more, for each kind of text. */
export type RedactFigure = {
  readonly text: string;
  /** Megabytes of result text a second of one core, default detectors. */
  readonly secrets: number;
  /** The same with personal data and one pattern of the owner's asked for. */
  readonly personal: number;
  /** The longest that anything else waited while 4 MB of it were looked through, both asked for; milliseconds. */
  readonly stallMs: number;
};

/** Measures for about `seconds` in all. */
export async function redactFigures(seconds = 8): Promise<readonly RedactFigure[]> {
  const each = (seconds * 1000) / (Object.keys(texts).length * 2);
  const figures: RedactFigure[] = [];
  for (const [text, make] of Object.entries(texts)) {
    const large = encode({ content: [{ type: 'text', text: make(textChars) }] });
    figures.push({
      text,
      secrets: await speed(large, ordersWith([]), each),
      personal: await speed(large, ordersWith(asked), each),
      stallMs: await stall(large, ordersWith(asked)),
    });
  }
  return figures;
}

/** Microseconds that one answer of 1 kB costs with the default detectors. */
export async function smallCostUs(): Promise<number> {
  const text = encode({ content: [{ type: 'text', text: prose(shortChars) }] });
  const redactor = makeRedactor();
  const orders = ordersWith([]);
  let rounds = 0;
  const begin = performance.now();
  while (performance.now() - begin < 500) {
    for (let i = 0; i < 100; i++) await redactor.outward(orders, call, { kind: 'result', text });
    rounds += 100;
  }
  return ((performance.now() - begin) * 1000) / rounds;
}

/** The figures as Markdown. */
export async function redactReport(seconds?: number): Promise<string> {
  const figures = await redactFigures(seconds);
  const lines = figures.map(({ text, secrets, personal, stallMs }) => [
    text,
    secrets.toFixed(0),
    personal.toFixed(0),
    stallMs.toFixed(0),
  ]);
  const table = tableText(
    ['result text', 'secrets, MB/s', 'and pii, a pattern, MB/s', 'others wait, ms'],
    lines,
  );
  return `${table}\n\nAn answer of 1 kB with the default detectors: ${(await smallCostUs()).toFixed(1)} µs.\n`;
}

const asked: readonly RedactText[] = [
  {
    name: 'privacy',
    what: ['pii'],
    patterns: ['EMP-[0-9]{6}'],
    fields: [],
    tools: undefined,
    direction: 'out',
    action: 'redact',
    place: { file: 'bench', line: 1 },
  },
];

function ordersWith(redact: readonly RedactText[]): Orders {
  // Only what the redactor reads of orders.
  const server = { redact, tools: [] } as unknown as ServerOrders;
  return { servers: new Map([['bench', server]]) } as unknown as Orders;
}

// Only what the redactor reads of a call.
const call = {
  server: 'bench',
  target: { kind: 'tool', name: 'read' },
  message: { kind: 'request' },
} as unknown as Call;

function makeRedactor(): Redactor {
  const redactor = new Redactor();
  for (let i = 0; i < 5; i++) redactor.learn(randomText(32));
  return redactor;
}

/** Megabytes a second of processor time: what one core does, whoever else uses the machine. */
async function speed(text: JsonText, orders: Orders, forMs: number): Promise<number> {
  const redactor = makeRedactor();
  await redactor.outward(orders, call, { kind: 'result', text });
  let bytes = 0;
  const before = process.cpuUsage();
  const begin = performance.now();
  while (performance.now() - begin < forMs) {
    await redactor.outward(orders, call, { kind: 'result', text });
    bytes += text.length;
  }
  const { user, system } = process.cpuUsage(before);
  return bytes / (user + system);
}

async function stall(text: JsonText, orders: Orders): Promise<number> {
  const redactor = makeRedactor();
  let longest = 0;
  let running = true;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(look);
  };
  setImmediate(look);
  await redactor.outward(orders, call, { kind: 'result', text });
  running = false;
  return longest;
}

let seed = 7;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

function randomText(chars: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length: chars }, () => letters[random(letters.length)]).join('');
}

const words =
  'the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many off before must well back through years where much your way'.split(
    ' ',
  );

function prose(chars: number): string {
  const parts: string[] = [];
  for (let length = 0; length < chars;) {
    const word = words[random(words.length)] ?? '';
    const end = random(12) === 0 ? '. ' : ' ';
    parts.push(word, end);
    length += word.length + end.length;
  }
  return parts.join('');
}

function json(chars: number): string {
  const rows: string[] = [];
  for (let length = 0; length < chars;) {
    const row = JSON.stringify({
      id: random(1e9),
      title: prose(40),
      html_url: `https://git.example/acme/widgets/issues/${random(9999)}`,
      user: { login: words[random(words.length)], id: random(1e6) },
      created_at: '2026-01-02T03:04:05Z',
      sha: randomText(40).toLowerCase(),
    });
    rows.push(row);
    length += row.length + 1;
  }
  return `[${rows.join(',')}]`;
}

function logs(chars: number): string {
  const lines: string[] = [];
  for (let length = 0; length < chars;) {
    const line = `2026-01-02T03:04:05.${random(900) + 100}Z INFO [worker-${random(64)}] request_id=${randomText(16)} GET /api/v1/items/${random(1e6)} 200 ${random(500)}ms\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('');
}

function base64(chars: number): string {
  return Buffer.from(Array.from({ length: (chars * 3) / 4 }, () => random(256))).toString('base64');
}

const texts: Readonly<Record<string, (chars: number) => string>> = {
  prose,
  'JSON in a text': json,
  'log lines': logs,
  base64,
};

if (process.argv[1] === import.meta.filename) process.stdout.write(await redactReport());
