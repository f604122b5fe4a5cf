import type { Work } from './drive.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';

/**
 * A JSON text taken apart. What is no object and no list stays as it was written, so that every number keeps its digits and
 * what is not touched comes out as it went in.
 */
export type Tree = {
  readonly open: '{' | '[';
  /** Member names as written, quotes included; none for a list. */
  readonly keys: string[];
  readonly values: (string | Tree)[];
};

/** More values than this are not looked through one by one: they would cost a hundred times their size in memory. */
export const valuesMax = 1_000_000;
const valuesPerStep = 20_000;

/** Reads canonical text. Throws `TOO_LARGE` beyond so many values. */
export function* treeOf(text: JsonText): Work<Tree> {
  const stack: Tree[] = [];
  let count = 0;
  let at = 0;
  for (;;) {
    const code = text.charCodeAt(at);
    const top = stack.at(-1);
    let done: Tree | string | undefined;
    if (code === 0x7d || code === 0x5d) {
      done = stack.pop();
      at++;
    } else if (code === 0x2c) {
      at++;
      continue;
    } else {
      if (++count > valuesMax) throw new Fault('TOO_LARGE', { detail: 'too many values to look through' });
      if (count % valuesPerStep === 0) yield;
      if (top?.open === '{') {
        const end = stringEnd(text, at);
        top.keys.push(text.slice(at, end));
        at = end + 1;
      }
      const begin = text.charCodeAt(at);
      if (begin === 0x7b || begin === 0x5b) {
        stack.push({ open: begin === 0x7b ? '{' : '[', keys: [], values: [] });
        at++;
        continue;
      }
      const end = begin === 0x22 ? stringEnd(text, at) : bareEnd(text, at);
      done = text.slice(at, end);
      at = end;
    }
    const parent = stack.at(-1);
    if (parent === undefined) {
      if (typeof done !== 'object') throw new Fault('BUG', { detail: 'neither an object nor a list' });
      return done;
    }
    parent.values.push(done as Tree | string);
  }
}

/** The text of a tree. */
export function textOf(tree: Tree | string): JsonText {
  const parts: string[] = [];
  write(tree, parts);
  // Safe: made of the pieces of canonical text, and of what JSON.stringify wrote.
  return parts.join('') as JsonText;
}

function write(node: Tree | string, parts: string[]): void {
  if (typeof node === 'string') {
    parts.push(node);
    return;
  }
  parts.push(node.open);
  for (const [index, value] of node.values.entries()) {
    if (index > 0) parts.push(',');
    if (node.open === '{') parts.push(node.keys[index] ?? '""', ':');
    write(value, parts);
  }
  parts.push(node.open === '{' ? '}' : ']');
}

/** The member of an object; undefined where there is none, or where it is no object. */
export function memberOf(node: Tree | string | undefined, key: string): Tree | string | undefined {
  if (typeof node !== 'object' || node.open !== '{') return undefined;
  const index = node.keys.indexOf(JSON.stringify(key));
  return index < 0 ? undefined : node.values[index];
}

/** Member names as a tree holds them. */
export function quoted(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((it) => JSON.stringify(it)));
}

export function setMember(tree: Tree, key: string, value: Tree | string): void {
  const name = JSON.stringify(key);
  const index = tree.keys.indexOf(name);
  if (index >= 0) tree.values[index] = value;
  else {
    tree.keys.push(name);
    tree.values.push(value);
  }
}

export function removeAt(tree: Tree, index: number): void {
  if (tree.open === '{') tree.keys.splice(index, 1);
  tree.values.splice(index, 1);
}

export function copyOf(node: Tree | string): Tree | string {
  return typeof node === 'string'
    ? node
    : { open: node.open, keys: [...node.keys], values: node.values.map(copyOf) };
}

/** Where the string that begins at a place ends, its quote included. */
export function stringEnd(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
}

/** Where a number or a word such as `null` ends. */
export function bareEnd(text: string, at: number): number {
  let end = at;
  for (;;) {
    const code = text.charCodeAt(end);
    if (code === 0x2c || code === 0x3a || code === 0x7d || code === 0x5d || code !== code) return end;
    end++;
  }
}
