/** One `mcpd ctl` command as it is typed. What it means is in operate/commands.ts. */
export type CtlRow = {
  readonly name: string;
  /** As typed, and as the daemon calls them. */
  readonly arguments?: readonly CtlArgument[];
  readonly options: readonly CtlOption[];
  readonly summary: string;
  readonly more?: string;
  readonly examples: readonly string[];
};

export type CtlArgument = { readonly as: string; readonly key: string; readonly optional?: true };
export type CtlOption = {
  /** As the daemon calls it. */
  readonly key: string;
  /** As typed: a flag, or one that takes a text. */
  readonly flags: string;
  readonly says: string;
  readonly needed?: true;
};

const now: CtlOption = { key: 'now', flags: '--now', says: 'also stop matching calls that are under way' };
const reason: CtlOption = {
  key: 'reason',
  flags: '--reason <text>',
  says: 'why; kept with the switch, the grant or the answer, and on the journal',
};
const kept = 'It survives a restart, and no change of policy undoes it.';

export const ctlRows: readonly CtlRow[] = [
  {
    name: 'status',
    options: [],
    summary: 'health, servers, switches',
    examples: ['mcpd ctl status', 'mcpd ctl status --json | jq .servers'],
  },
  {
    name: 'tools',
    options: [],
    summary: 'what callers may call: allowed, gated, hidden',
    examples: ['mcpd ctl tools', 'mcpd ctl tools --json | jq .servers'],
  },
  {
    name: 'approvals',
    arguments: [{ as: 'ID', key: 'id', optional: true }],
    options: [],
    summary: 'calls that wait for your yes; one of them whole',
    examples: ['mcpd ctl approvals', 'mcpd ctl approvals 7k2m9qxz'],
  },
  {
    name: 'approve',
    arguments: [{ as: 'ID', key: 'id' }],
    options: [
      {
        key: 'for',
        flags: '--for <time>',
        says: 'the yes is good for calls that are alike, too, for so long; as far as the rule allows it',
      },
    ],
    summary: 'let one waiting call go out, once',
    examples: ['mcpd ctl approve 7k2m9qxz', 'mcpd ctl approve 7k2m9qxz --for 10m'],
  },
  {
    name: 'deny',
    arguments: [{ as: 'ID', key: 'id' }],
    options: [reason],
    summary: 'refuse one waiting call',
    examples: ['mcpd ctl deny 7k2m9qxz --reason "not on a Friday"'],
  },
  {
    name: 'leases',
    options: [],
    summary: 'the yeses that are good for a while',
    examples: ['mcpd ctl leases'],
  },
  {
    name: 'end-lease',
    arguments: [{ as: 'ID', key: 'id' }],
    options: [],
    summary: 'end such a yes; its calls are asked about again',
    examples: ['mcpd ctl end-lease 7k2m9qxz'],
  },
  {
    name: 'grants',
    options: [],
    summary: 'leave that was given for a time',
    examples: ['mcpd ctl grants'],
  },
  {
    name: 'grant',
    arguments: [
      { as: 'CALLER', key: 'caller' },
      { as: 'SERVER/TOOL', key: 'tool' },
    ],
    options: [
      { key: 'for', flags: '--for <time>', says: 'for so long: 30m, 2h, 7d (90d at most)', needed: true },
      reason,
    ],
    summary: 'let one caller use one tool, for a time',
    more: 'It works as a rule that allows: a rule that denies or asks is stronger. It survives a restart.',
    examples: ['mcpd ctl grant my-editor files/write_file --for 2h --reason "ticket 12"'],
  },
  {
    name: 'revoke-grant',
    arguments: [
      { as: 'ID|CALLER', key: 'grant' },
      { as: 'SERVER/TOOL', key: 'tool', optional: true },
    ],
    options: [],
    summary: 'take a grant back',
    examples: ['mcpd ctl revoke-grant g1f4a90c2e7', 'mcpd ctl revoke-grant my-editor files/write_file'],
  },
  {
    name: 'pins',
    arguments: [{ as: 'SERVER[/TOOL]', key: 'what', optional: true }],
    options: [],
    summary: 'which tools are approved, and what changed in those that are held back',
    examples: ['mcpd ctl pins', 'mcpd ctl pins files', 'mcpd ctl pins files/write_file'],
  },
  {
    name: 'pin',
    arguments: [{ as: 'SERVER[/TOOL]', key: 'what' }],
    options: [
      {
        key: 'digest',
        flags: '--digest <hex>',
        says: 'only if this is still what is shown; `pins` prints it',
      },
    ],
    summary: 'approve the definition of one tool, or of all, as it is now',
    examples: ['mcpd ctl pin files/write_file', 'mcpd ctl pin files'],
  },
  {
    name: 'pin-package',
    arguments: [{ as: 'SERVER', key: 'server' }],
    options: [],
    summary: 'agree to the package that a server runs now',
    more: '`mcpd ctl status` says when it is another one than before.',
    examples: ['mcpd ctl pin-package files'],
  },
  {
    name: 'disable-tool',
    arguments: [{ as: 'SERVER/TOOL', key: 'tool' }],
    options: [now, reason],
    summary: 'switch one tool off, for every caller',
    more: `In force for the next call when the command returns. ${kept}`,
    examples: [
      'mcpd ctl disable-tool files/write_file',
      'mcpd ctl disable-tool files/write_file --now --reason "incident 12"',
    ],
  },
  {
    name: 'enable-tool',
    arguments: [{ as: 'SERVER/TOOL', key: 'tool' }],
    options: [],
    summary: 'switch it on again, as far as the policy allows it',
    examples: ['mcpd ctl enable-tool files/write_file'],
  },
  {
    name: 'disable-server',
    arguments: [{ as: 'SERVER', key: 'server' }],
    options: [now, reason],
    summary: 'refuse every call to one server',
    more: kept,
    examples: ['mcpd ctl disable-server files --now'],
  },
  {
    name: 'enable-server',
    arguments: [{ as: 'SERVER', key: 'server' }],
    options: [],
    summary: 'take that back',
    examples: ['mcpd ctl enable-server files'],
  },
  {
    name: 'disable-caller',
    arguments: [{ as: 'CALLER', key: 'caller' }],
    options: [now, reason],
    summary: 'refuse every call of one caller',
    more: `${kept} To take the key away for good: mcpd key revoke CALLER.`,
    examples: ['mcpd ctl disable-caller my-editor --now'],
  },
  {
    name: 'enable-caller',
    arguments: [{ as: 'CALLER', key: 'caller' }],
    options: [],
    summary: 'take that back',
    examples: ['mcpd ctl enable-caller my-editor'],
  },
  {
    name: 'lockdown',
    options: [now, reason],
    summary: 'refuse every call of everybody',
    more: kept,
    examples: ['mcpd ctl lockdown --now --reason "incident 12"'],
  },
  {
    name: 'unlock',
    options: [],
    summary: 'end the lockdown; other switches stay as they are',
    examples: ['mcpd ctl unlock'],
  },
  {
    name: 'restart',
    arguments: [{ as: 'SERVER', key: 'server' }],
    options: [],
    summary: 'stop one server and start it afresh',
    examples: ['mcpd ctl restart files'],
  },
  {
    name: 'secrets',
    options: [],
    summary: 'which server uses which secret, and which are missing',
    examples: ['mcpd ctl secrets', 'mcpd ctl secrets --json | jq .secrets'],
  },
  {
    name: 'refresh-secret',
    arguments: [{ as: 'REFERENCE', key: 'reference' }],
    options: [{ key: 'keep', flags: '--keep', says: 'let servers that run go on with the old value' }],
    summary: 'fetch one secret again, and start those servers anew that hold another value',
    more: '`mcpd secret rotate` does so by itself; this is for a secret that was changed elsewhere.',
    examples: [
      'mcpd ctl refresh-secret vault:github-token',
      'mcpd ctl refresh-secret op:op://Private/github/token',
    ],
  },
  {
    name: 'reload',
    options: [],
    summary: 'read the policy files again',
    more: 'mcpd does so by itself when they change. Files with a mistake change nothing: the old policy stays in force.',
    examples: ['mcpd check && mcpd ctl reload'],
  },
  {
    name: 'reload-keys',
    options: [],
    summary: 'read the keys again (mcpd key does this by itself)',
    examples: ['mcpd ctl reload-keys'],
  },
  {
    name: 'reload-operators',
    options: [],
    summary: 'look at the operators again (mcpd operator does this by itself)',
    examples: ['mcpd ctl reload-operators'],
  },
];
