import type { Command } from 'commander';

/** Examples for the end of a help text. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/** A command with the two options that all of these share. */
export function leaf(parent: Command, name: string): Command {
  return parent
    .command(name)
    .option(
      '--policies <dir>',
      'policy folder of the daemon that is meant (default: $MCPD_POLICIES, else ./policies)',
    )
    .option('--json', 'answer with one line of JSON');
}
