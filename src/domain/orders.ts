import type { Rate } from './decision.ts';
import type { Era } from './era.ts';

/** One policy rule as its owner wrote it, patterns not yet compiled. Names match the keys in the TOML. */
export type RuleText = {
  readonly name: string;
  readonly verdict: 'allow' | 'deny' | 'confirm';
  /** Names of callers; patterns allowed. Absent: every authenticated caller. */
  readonly callers: readonly string[] | undefined;
  readonly tools: readonly string[];
  readonly resources: readonly string[];
  readonly prompts: readonly string[];
  /** Server-to-caller requests and notifications, by method: `sampling/createMessage`, `roots/list`, … */
  readonly upcalls: readonly string[];
  /** What MCP does not know and a client may say all the same, by method: an extension of the server's. */
  readonly methods: readonly string[];
  /** Dotted paths into the arguments whose values the audit records, for example `path` or `issue.number`. */
  readonly record: readonly string[];
  /** Per caller and target, in addition to the server's limits. */
  readonly rate: Rate | undefined;
  /** For `confirm`: how long a question may wait. */
  readonly answerWithinMs: number;
};

/** How to run one third-party server. */
export type ServerSpec = {
  readonly name: string;
  /** Absolute path of the program. Resolved when the file was read; nothing at run time changes it. */
  readonly command: string;
  readonly args: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Variable → reference such as `keychain:github-token`. Values exist only inside the child's environment. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly sharing: 'session' | 'principal' | 'all';
  /** Which era its children speak; `auto`: found out by asking. */
  readonly protocol: 'auto' | Era;
  /** A shared child that nobody has used for so long is stopped, and started again when it is needed. */
  readonly idleMs: number;
  /** Children kept ready for the next session. */
  readonly spare: number;
  /** Calls in flight in one child; the rest wait in a bounded line. */
  readonly concurrency: number;
  /** Calls that may wait in that line. */
  readonly waitingMax: number;
  /** For the answer to one request. */
  readonly answerWithinMs: number;
  /** For `initialize`. */
  readonly startWithinMs: number;
  /** Children of this server alive at once. */
  readonly childrenMax: number;
  /** One line from the child. */
  readonly lineBytesMax: number;
};

export type ServerLimits = { readonly perCaller: Rate | undefined; readonly perTool: Rate | undefined };

/** One `policies/servers/<name>.toml`, read and checked. */
export type ServerFile = {
  readonly spec: ServerSpec;
  readonly rules: readonly RuleText[];
  readonly limits: ServerLimits;
  /** Whether the audit keeps arguments and results in full (redacted), or only their sizes. */
  readonly recordPayloads: boolean;
  readonly file: string;
};

/** The operator's switches. They outlive restarts, and no policy overrules them. */
export type Switches = {
  /** `server/tool` → when and why it was switched off. */
  readonly tools: ReadonlyMap<string, SwitchedOff>;
  readonly servers: ReadonlyMap<string, SwitchedOff>;
  readonly callers: ReadonlyMap<string, SwitchedOff>;
  readonly lockdown: SwitchedOff | undefined;
};
export type SwitchedOff = { readonly at: number; readonly by: string; readonly reason: string };

/** A compiled name pattern: exact text or a glob. Linear in the length of what it tests. */
export type Pattern = { readonly text: string; readonly test: (value: string) => boolean };

/** One rule, ready to be asked. */
export type Rule = {
  readonly text: RuleText;
  /** Undefined: every authenticated caller. */
  readonly callers: readonly Pattern[] | undefined;
  readonly tools: readonly Pattern[];
  readonly resources: readonly Pattern[];
  readonly prompts: readonly Pattern[];
  readonly upcalls: readonly Pattern[];
  readonly methods: readonly Pattern[];
};

export type ServerOrders = {
  readonly spec: ServerSpec;
  readonly rules: readonly Rule[];
  readonly limits: ServerLimits;
  readonly recordPayloads: boolean;
};

/** Everything the data plane obeys. Frozen; replaced whole, never edited. */
export type Orders = {
  /** Names this value in every audit record: a digest of the policy files, and a count of switch changes. */
  readonly version: string;
  readonly servers: ReadonlyMap<string, ServerOrders>;
  readonly switches: Switches;
  /** Across all servers. */
  readonly perCaller: Rate | undefined;
};
