import { Fault } from '../domain/faults.ts';
import { canonical, decodeUtf8, objectOf } from '../protocol/codec.ts';

/** Bounds of the control socket's one line each way. */
export const orderBytesMax = 64 * 1024;
export const replyBytesMax = 8 * 1024 * 1024;
const operatorCharsMax = 64;
const tokenCharsMax = 256;

/** What somebody asks for, and what they show for it. */
export type Line = {
  readonly command: string;
  readonly args: unknown;
  /** The name that they give themselves. */
  readonly operator: string;
  readonly token: string | undefined;
};

/**
 * One line → what is asked for: `{"command":"disable-tool","args":{…},"operator":"ana","token":"mcpd_ctl_…"}`. Throws
 * `BAD_JSON`, `TOO_DEEP`, `TOO_LARGE`, `BAD_PARAMS` or `BAD_MESSAGE`; what the arguments mean is the command's business.
 */
export function readLine(bytes: Buffer): Line {
  const { command, args, operator, token, ...rest } = objectOf(
    canonical(decodeUtf8(bytes), { bytesMax: orderBytesMax, depthMax: 4 }),
  );
  const stranger = Object.keys(rest)[0];
  if (stranger !== undefined)
    throw new Fault('BAD_MESSAGE', { detail: `unknown member ${stranger.slice(0, 64)}` });
  if (typeof command !== 'string' || command === '')
    throw new Fault('BAD_MESSAGE', { detail: 'command is not a string' });
  if (typeof operator !== 'string' || operator === '' || operator.length > operatorCharsMax) {
    throw new Fault('BAD_MESSAGE', {
      detail: `operator is not a name of 1 to ${operatorCharsMax} characters`,
    });
  }
  if (token !== undefined && (typeof token !== 'string' || token === '' || token.length > tokenCharsMax)) {
    throw new Fault('BAD_MESSAGE', {
      detail: `token is not a text of 1 to ${tokenCharsMax} characters`,
    });
  }
  return { command, args: args ?? {}, operator, token };
}
