import type { JsonText } from './message.ts';

declare const clean: unique symbol;
/** Text that has been through the redactor. Only such text may leave the daemon or be written down. */
export type Redacted = string & { readonly [clean]: true };

/** JSON that has been through the redactor; still canonical. */
export type RedactedJson = JsonText & Redacted;
