import { readTree, type Node } from '../support/oracle.ts';
import type { Script } from './script.ts';
import { idOf, isAnswer, isRequest, methodOf, Transcript } from './transcript.ts';

/** One end of a conversation with a server, whatever lies between. */
export type Peer = {
  /** Sends one message. Resolves when it was taken; the answer to a request comes on the transcript. */
  readonly say: (text: string, message: Node) => Promise<void>;
  /** Says goodbye and reads what is still under way. */
  readonly end: () => Promise<void>;
};

/** Connects a peer that tells what it hears to `heard`, and what goes wrong to `broke`. */
export type Connect = (
  heard: (stream: string, text: string) => Node,
  broke: (why: unknown) => void,
) => Promise<Peer>;

/** A bound for a broken server, not a measurement. */
const withinMs = 40_000;

/** Plays a script to its end and gives everything that the client saw. */
export async function play(script: Script, connect: Connect): Promise<Transcript> {
  const transcript = new Transcript();
  const broke = (why: unknown) => transcript.break(why);
  const silent = new Set<string | undefined>();
  const replying = new Set<Promise<void>>();
  const reply = (message: Node): void => {
    if (silent.has(methodOf(message))) return;
    const id = idOf(message);
    const result = script.answers.get(methodOf(message) ?? '');
    const said =
      result === undefined ? '"error":{"code":-32601,"message":"Method not found"}' : `"result":${result}`;
    const sent = say(`{"jsonrpc":"2.0","id":${id},${said}}`);
    replying.add(sent);
    sent.catch(broke).finally(() => replying.delete(sent));
  };
  const peer = await connect((stream, text) => {
    const message = transcript.hear(stream, text);
    if (isRequest(message)) reply(message);
    return message;
  }, broke);
  const say = (text: string): Promise<void> => {
    const message = readTree(text);
    if (message === undefined) throw new Error(`the script says what is not JSON: ${text}`);
    if (!isAnswer(message)) transcript.sent.push(message);
    return peer.say(text, message);
  };
  const learnt = new Map<string, string>();
  const filled = (text: string): string =>
    [...learnt].reduce((whole, [name, value]) => whole.replaceAll(name, value), text);
  const answered = (id: string) =>
    transcript.until(`the answer to ${id}`, () => transcript.isAnswered(id), withinMs);

  try {
    for (const step of script.steps) {
      switch (step.kind) {
        case 'send':
        case 'begin': {
          const text = filled(step.text);
          await say(text);
          const message = readTree(text);
          if (step.kind === 'send' && message !== undefined && isRequest(message))
            await answered(idOf(message) ?? '');
          break;
        }
        case 'answered':
          await answered(step.id);
          break;
        case 'heard':
          await transcript.until(
            `${step.times} of ${step.method}`,
            () => transcript.count(step.method) >= step.times,
            withinMs,
          );
          break;
        case 'learn':
          learnt.set(step.name, transcript.textOf(step.id, step.path));
          break;
        case 'unanswered':
          silent.add(step.method);
          break;
      }
      // The next message must not overtake what the client answered meanwhile.
      await Promise.allSettled(replying);
    }
  } finally {
    await peer.end();
  }
  transcript.check();
  return transcript;
}
