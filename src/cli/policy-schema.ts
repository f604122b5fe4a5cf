import { Argument, type Command } from 'commander';
import type { Finish } from './io.ts';
import { examples } from './help.ts';

const kinds = ['server', 'daemon', 'base'] as const;

/** `mcpd policy schema`: what an editor needs to complete and check a policy file while it is written. */
export function addPolicySchema(policy: Command, finish: Finish): void {
  policy
    .command('schema')
    .addArgument(
      new Argument('[kind]', 'servers/NAME.toml, mcpd.toml, or a file that others extend')
        .choices([...kinds])
        .default('server'),
    )
    .option('--json', 'answer with one line of JSON')
    .summary('the JSON Schema of a policy file, for editors')
    .description(
      'Prints the JSON Schema of a policy file. Editors that know Taplo (VS Code with Even Better TOML, Neovim, Helix, Zed) ' +
        'complete keys and mark mistakes with it. Save it, and write this as the first line of a policy file:\n\n' +
        '  #:schema ./mcpd-server.schema.json\n\n' +
        'The path is counted from the policy file; a folder servers/ holds nothing but .toml, so keep it one folder above:\n\n' +
        '  #:schema ../mcpd-server.schema.json',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd policy schema > policies/mcpd-server.schema.json',
        'mcpd policy schema daemon > policies/mcpd.schema.json',
      ]),
    )
    .action(async (kind: (typeof kinds)[number], { json }: { json?: true }) => {
      const { policyJsonSchema } = await import('../config/json-schema.ts');
      const schema = policyJsonSchema(kind);
      const text = JSON.stringify(schema, undefined, 2);
      finish({ reply: { ok: true, command: 'policy schema', kind, schema }, text }, json === true);
    });
}
