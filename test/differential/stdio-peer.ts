import { spawn } from 'node:child_process';
import { endNow } from '../support/daemon.ts';
import type { Connect } from './play.ts';

export type Command = {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
};

/** How long a server may take to leave when its stdin is closed. */
const leaveWithinMs = 500;

/** The server as a client has it that starts it itself: nothing in between, one stream. */
export function overStdio({ args, cwd, env }: Command): Connect {
  return async (heard, broke) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    let leaving = false;
    child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4096)));
    child.stdin.on('error', broke);
    child.on('error', broke);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      // LF alone: node:readline would also cut at U+2028, which JSON may hold.
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      // Banners: clients skip what is no message.
      for (const line of lines) if (line.startsWith('{')) heard('stdout', line);
    });
    const gone = new Promise<void>((resolve) =>
      child.on('close', (code) => {
        if (!leaving) broke(new Error(`the server left with ${code}: ${stderr}`));
        resolve();
      }),
    );
    return {
      say: async (text) => void child.stdin.write(`${text}\n`),
      end: async () => {
        leaving = true;
        child.stdin.end();
        const late = setTimeout(() => endNow(child.pid ?? 0), leaveWithinMs);
        await gone;
        clearTimeout(late);
      },
    };
  };
}
