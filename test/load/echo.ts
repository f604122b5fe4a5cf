import type { Caller } from './flood.ts';

/** One session whose every call carries a word of its own, and which knows the answer of another's when it sees one. */
export class Echo {
  readonly #caller: Caller;
  readonly #name: string;
  #turn = 0;
  /** Whatever was not the answer to its own call. */
  readonly wrong: string[] = [];

  constructor(caller: Caller, name: string) {
    this.#caller = caller;
    this.#name = name;
  }

  /** How long the call took, in ms. */
  async call(): Promise<number> {
    const text = `<${this.#name}:${++this.#turn}>`;
    const { status, body, ms } = await this.#caller.call('echo', { text });
    if (status !== 200 || !body.includes(`"result":{"content":[{"type":"text","text":"${text}"}]}`))
      this.wrong.push(`${text}: ${status} ${body.slice(0, 200)}`);
    return ms;
  }

  leave(): void {
    this.#caller.leave();
  }
}
