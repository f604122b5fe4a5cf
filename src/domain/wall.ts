/** What the owner lets a server see and use of this machine: `sandbox` in its file, and what belongs to it. */
export type WallSpec = {
  /** `strict`: behind the whole wall or not at all; `auto`: behind what of it the machine can build; `off`: as it is. */
  readonly sandbox: (typeof sandboxes)[number];
  /** Whether it is on the machine's network; else it has none, not even to this machine. */
  readonly network: boolean;
  /** Absolute paths that it may read. */
  readonly read: readonly string[];
  /** Absolute paths that it may read and write. */
  readonly write: readonly string[];
  readonly resources: Resources;
};
export const sandboxes = ['auto', 'strict', 'off'] as const;

/** What one child of a server may use; together with all the processes it starts, where nothing else is said. */
export type Resources = {
  readonly memoryBytesMax: number;
  /** What its temporary space may hold; it lies in memory, too. */
  readonly tmpBytesMax: number;
  /** Of each of its processes. */
  readonly openFilesMax: number;
  /** Processes and threads. */
  readonly processesMax: number;
  /** Processor time since it was started. */
  readonly cpuMsMax: number;
  /** What it may write on stdout and stderr in a span. */
  readonly output: { readonly bytesMax: number; readonly perMs: number };
};

/** What the wall promises about a child. */
export type Guarantee = keyof typeof guarantees;

/** Each in words that go on after "without: ". */
export const guarantees = {
  files: 'being kept to the declared files',
  processes: 'being kept from other processes',
  network: 'being kept from the network',
  privileges: 'being kept from gaining privileges',
  user: 'a user of its own',
  home: 'a home and a temporary folder of its own',
  memory: 'a limit on memory',
  'open-files': 'a limit on open files',
  'process-count': 'a limit on processes',
  cpu: 'a limit on processor time',
  output: 'a limit on output',
  'core-dumps': 'core dumps switched off',
} as const;

/** What is missing, why, and what to type where something can be typed. */
export type Gap = { readonly guarantee: Guarantee; readonly why: string; readonly mend: string | undefined };

/** How well one server is walled off. */
export type WallReport = {
  readonly by: 'bubblewrap' | 'sandbox-exec' | 'nothing';
  readonly kept: readonly Guarantee[];
  /** Without those that the owner gave up: the network where `network = true`. */
  readonly missing: readonly Gap[];
  /** Declared paths that are not there, and what else the owner should know. */
  readonly notes: readonly string[];
};

/** How to start a child, with what stands around it. */
export type Launch = {
  /** Absolute path of the program. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** In the place of what the child would inherit from the daemon; undefined takes a variable away. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the process is the wall, and the server a process inside. */
  readonly walled: boolean;
  /** Variables that whoever builds the wall must not have; the command line gives them to the server itself. */
  readonly withheld?: readonly string[];
};

/** Runs a program to its end, or to the end of the time. Never rejects; `code` is undefined where it did not end by itself. */
export type RunOnce = (command: string, args: readonly string[], withinMs: number) => Promise<Ran>;
export type Ran = { readonly code: number | undefined; readonly out: string; readonly err: string };
