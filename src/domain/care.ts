import type { Risk } from './orders.ts';
import type { JsonObject } from './message.ts';

/** What a server file says about keeping its children alive. */
export type Care = {
  /** `now`: with the daemon, or with its session. `wanted`: with the first call. */
  readonly start: 'now' | 'wanted';
  /** More deaths than this within `deathsWithinMs` and the child is given up until somebody resets it. */
  readonly deathsMax: number;
  readonly deathsWithinMs: number;
  readonly health: {
    /** Between two looks at a child that is silent; 0: nobody looks. */
    readonly everyMs: number;
    readonly withinMs: number;
    /** So many unanswered looks in a row and the child is replaced. */
    readonly failuresMax: number;
    /** A call that proves that the server's own credential still works; it must read only. */
    readonly proof: Proof | undefined;
  };
  /** Whether a fresh child may be introduced with the handshake of a session that was open before a restart of mcpd. */
  readonly resume: boolean;
};

/** The arguments are written in the server file, so they are nobody's secret. */
export type Proof = { readonly tool: string; readonly args: JsonObject; readonly everyMs: number };

/** How safe a record must be before its call goes out. `os`: it survives the death of mcpd; `disk`: also a power cut. */
export type Durability = 'os' | 'disk';

/** The `[audit]` table of mcpd.toml. */
export type AuditTerms = {
  /** By the class of the tool. What has no class counts as `destructive`. */
  readonly durable: Readonly<Record<Risk, Durability>>;
  /** A journal file is closed at this size or age. */
  readonly fileBytesMax: number;
  readonly fileAgeMs: number;
  /** Closed files are removed when they are older than this, or when all files together are larger. */
  readonly keepMs: number;
  readonly keepBytesMax: number;
  readonly checkpointEveryMs: number;
  /** Absolute; undefined: in the state directory. */
  readonly checkpointDir: string | undefined;
};

/** The `[overload]` table of mcpd.toml: from when on what comes in is turned away. */
export type OverloadTerms = {
  /** Requests under way in the whole daemon, and of them of one caller. */
  readonly requestsMax: number;
  readonly perCallerMax: number;
  readonly connectionsMax: number;
  /** Bytes of bodies that are being read or held at once. */
  readonly bodyBytesMax: number;
  /** The event loop is this late: nothing new is begun until it is not. */
  readonly lagMs: number;
  /** What a slow reader of a stream may leave unread before it is let go. */
  readonly unreadBytesMax: number;
};

/** What holds for a server whose file says nothing. */
export const usualCare: Care = {
  start: 'now',
  deathsMax: 5,
  deathsWithinMs: 60_000,
  health: { everyMs: 15_000, withinMs: 5_000, failuresMax: 2, proof: undefined },
  resume: false,
};
