import { isUtf8 } from 'node:buffer';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { Fault } from '../domain/faults.ts';

const bytesMax = 64 * 1024;

/**
 * A secret from the keyboard, unseen, or from a pipe, without its last line break. Never from the command line: that is
 * readable by every user of the machine, and stays in the shell's history.
 */
export function readSecret(prompt: string): Promise<string> {
  return process.stdin.isTTY ? askUnseen(prompt) : readPiped();
}

async function readPiped(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new Fault('CONFIG_INVALID', {
        detail: `the value has more than ${bytesMax} bytes`,
        hint: 'keep it in a file, and refer to it as file:PATH',
      });
    }
    chunks.push(chunk);
  }
  const all = Buffer.concat(chunks);
  // A lossy decoder would store another secret than the one that was given.
  if (!isUtf8(all))
    throw new Fault('CONFIG_INVALID', {
      detail: 'the value is not valid UTF-8',
      hint: 'keep it in a file, and refer to it as file:PATH',
    });
  return all.toString('utf8').replace(/\r?\n$/, '');
}

function askUnseen(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // As a terminal it takes single keys and echoes them itself; what it echoes goes nowhere.
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      lines.removeAllListeners();
      lines.close();
      process.stderr.write('\n');
      end();
    };
    const givenUp = () =>
      settle(() =>
        reject(
          new Fault('CANCELLED', {
            detail: 'no value was given',
            hint: 'type the same command again, or pipe the value in',
          }),
        ),
      );
    lines.once('line', (line) => settle(() => resolve(line)));
    lines.once('SIGINT', givenUp);
    lines.once('close', givenUp);
  });
}
