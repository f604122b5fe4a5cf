import { hash } from 'node:crypto';
import type { Json, JsonText } from '../domain/message.ts';
import type { Risk } from '../domain/orders.ts';
import type { OfferedTool } from '../domain/upstream.ts';
import { member, valueOf } from './codec.ts';

/**
 * SHA-256, 64 hex digits, of a tool's whole definition. The order of members and white space do not count; everything else
 * does: every field that there is or will be, the order of lists, the digits of numbers. It is not shortened: a server that
 * writes both definitions looks for two with one digest, and for 16 digits that search takes minutes.
 */
export function definitionDigest(definition: JsonText): string {
  return hash('sha256', inOrder(definition));
}

/**
 * What a tool's annotations admit to, for `ToolFacts`. They are the server's own word: what they admit counts, what they
 * deny does not. Absent and odd values say nothing (the defaults of the protocol would make every silent tool destructive).
 */
export function admitsOf(annotations: Json | undefined): Risk | undefined {
  if (annotations === undefined || annotations === null) return undefined;
  if (typeof annotations !== 'object' || Array.isArray(annotations)) return undefined;
  const { readOnlyHint, destructiveHint } = annotations;
  if (destructiveHint === true && readOnlyHint !== true) return 'destructive';
  return readOnlyHint === false ? 'write' : undefined;
}

/** A tool as one definition describes it. */
export function offeredTool(definition: JsonText): OfferedTool {
  const annotations = member(definition, ['annotations']);
  const inputSchema = member(definition, ['inputSchema']);
  const outputSchema = member(definition, ['outputSchema']);
  return {
    digest: definitionDigest(definition),
    definition,
    inputSchema: inputSchema === undefined ? undefined : valueOf(inputSchema),
    outputSchema: outputSchema === undefined ? undefined : valueOf(outputSchema),
    admits: annotations === undefined ? undefined : admitsOf(valueOf(annotations)),
  };
}

/** The same JSON with the members of every object in one order. In one pass, because the definition may be hostile. */
function inOrder(text: JsonText): string {
  let at = 0;
  // Texts are put together without being copied, so that deep nesting costs no more than its length.
  const value = (): string => {
    const code = text.charCodeAt(at);
    if (code === 0x7b) return objectHere();
    if (code === 0x5b) return arrayHere();
    return code === 0x22 ? stringHere() : scalarHere();
  };
  const objectHere = (): string => {
    const found: { readonly key: string; readonly it: string }[] = [];
    at++;
    while (text.charCodeAt(at) !== 0x7d) {
      if (found.length > 0) at++;
      const key = stringHere();
      at++;
      found.push({ key, it: value() });
    }
    at++;
    // Canonical text spells each name in one way, so the spellings can be compared.
    found.sort((a, b) => (a.key < b.key ? -1 : 1));
    let out = '{';
    for (const { key, it } of found) out += `${out === '{' ? '' : ','}${key}:${it}`;
    return `${out}}`;
  };
  const arrayHere = (): string => {
    let out = '[';
    at++;
    while (text.charCodeAt(at) !== 0x5d) {
      if (text.charCodeAt(at) === 0x2c) at++;
      out += `${out === '[' ? '' : ','}${value()}`;
    }
    at++;
    return `${out}]`;
  };
  const stringHere = (): string => {
    const from = at;
    let end = text.indexOf('"', at + 1);
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
    at = end + 1;
    return text.slice(from, at);
  };
  const scalarHere = (): string => {
    const from = at;
    while (at < text.length && !isEnd(text.charCodeAt(at))) at++;
    return text.slice(from, at);
  };
  return value();
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++;
  return backslashes % 2 === 1;
}

function isEnd(code: number): boolean {
  return code === 0x2c || code === 0x5d || code === 0x7d;
}
