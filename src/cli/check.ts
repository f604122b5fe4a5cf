import type { Command } from 'commander';
import type { Finish, Io } from './io.ts';
import { checkCommand } from './policy-check.ts';

/** `mcpd check`: the short way to type `mcpd policy check`. */
export function addCheck(program: Command, io: Io, finish: Finish): void {
  checkCommand(program, 'mcpd check', io, finish);
}
