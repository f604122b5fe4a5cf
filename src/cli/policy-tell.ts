import { relative } from 'node:path';
import { printable } from '../domain/printable.ts';
import type { Place } from '../domain/orders.ts';
import type { Finish, Io, Told } from './io.ts';

/** A wrong command line: what is wrong with it, and what to type instead. */
export function misused(says: string, hint: string): Told {
  return { reply: { ok: false, error: { code: 'USAGE', says, hint } }, text: '' };
}

/**
 * Ends a command whose report is what was asked for, whatever the exit code: like the lines of `diff`, it belongs on stdout
 * even where the answer is "they differ". What keeps a file from being read at all is an error like any other.
 */
export function finishReport(io: Io, finish: Finish, told: Told, json: boolean): void {
  const { reply, text } = told;
  if (json || reply.ok || reply.error.code === 'CONFIG_INVALID' || text === '') return finish(told, json);
  io.out(`${text}\n`);
  finish({ reply, text: '' }, json);
}

/** `policies/servers/files.toml:12`, in the shape that editors and terminals turn into a link; empty for what stands in no file. */
export function at(place: Place | undefined): string {
  if (place === undefined) return '';
  const short = relative(process.cwd(), place.file);
  return printable(`${short.startsWith('..') ? place.file : short}:${place.line}`);
}

/** `rule "reading" (files.toml:12)`. What is built in has a name that says so. */
export function ruleAt(rule: string, place: Place | undefined): string {
  const builtIn = /^(built-in|switch|grant):/.test(rule);
  const name = builtIn ? printable(rule) : `rule "${printable(rule)}"`;
  return place === undefined ? name : `${name} (${at(place)})`;
}

/** How the command is reached: in a clone, through npx. */
export function typed(command: string, env: Io['env']): string {
  return `${env['npm_lifecycle_event'] === undefined ? 'mcpd' : 'npx mcpd'} ${command}`;
}
