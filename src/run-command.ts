import { Child } from './fleet/process.ts';
import { cookieVariable } from './fleet/environment.ts';
import type { RunCommand } from './secrets/command.ts';

const drainMs = 500;

/**
 * Runs a program of the owner's that knows secrets, by the same door as every other process. Its stdin is closed at once, so
 * that none waits to be told something; at the end of its time it is ended, its process group included. `cookie`: marks it
 * for the sweep, as children are marked.
 */
export function commandRunner(cookie: string | undefined): RunCommand {
  return ({ argv, env, withinMs, bytesMax }) =>
    new Promise((resolve) => {
      const [command = '', ...args] = argv;
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = (result: Awaited<ReturnType<RunCommand>>) => {
        clearTimeout(timer);
        resolve(result);
      };
      const failed = (why: string) => done({ ok: false, why });
      const timer = setTimeout(() => failed(`did not end within ${withinMs} ms`), withinMs);
      const child = new Child(
        {
          command,
          args,
          cwd: '/',
          env: cookie === undefined ? env : { ...env, [cookieVariable]: cookie },
          // Stopping begins with its stdin, and then it has its time before the first signal.
          stopStepMs: withinMs,
          drainMs,
        },
        {
          out: (chunk) => {
            bytes += chunk.length;
            if (bytes <= bytesMax) chunks.push(chunk);
            else failed(`wrote more than ${bytesMax} bytes`);
          },
          // It may repeat what it was asked for, or the answer.
          err: () => undefined,
          drained: () => undefined,
          deaf: () => undefined,
          ended: (why) =>
            why === 'exited with code 0' && bytes <= bytesMax
              ? done({ ok: true, stdout: Buffer.concat(chunks) })
              : failed(why),
        },
      );
      child.stop();
    });
}
