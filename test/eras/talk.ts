/** What a client says and hears, spelled the same for both generations and both eras. */
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { until } from '../support/daemon.ts';
import { open, type Heard, type Opened } from './client.ts';

export type Level = 'debug' | 'error';
export type Era = 'legacy' | 'modern';

const logLevelKey = 'io.modelcontextprotocol/logLevel';

export type Calling = {
  readonly onprogress?: (step: { progress: number }) => void;
  readonly signal?: AbortSignal;
};

export type Said = { readonly isError: boolean; readonly text: string };

/** One official client that is connected. */
export class Talk {
  readonly heard: Heard;
  readonly era: Era;
  readonly #client: ClientV1 | ClientV2;
  #level: Level | undefined;

  private constructor({ client, heard }: Opened) {
    this.#client = client;
    this.heard = heard;
    this.era = client instanceof ClientV2 && client.getProtocolEra() === 'modern' ? 'modern' : 'legacy';
  }

  static async begin(...how: Parameters<typeof open>): Promise<Talk> {
    return new Talk(await open(...how));
  }

  get server(): { readonly name: string | undefined; readonly instructions: string | undefined } {
    return { name: this.#client.getServerVersion()?.name, instructions: this.#client.getInstructions() };
  }

  get offers(): readonly string[] {
    return Object.keys(this.#client.getServerCapabilities() ?? {}).sort();
  }

  async call(name: string, args: Record<string, unknown> = {}, how: Calling = {}): Promise<Said> {
    const meta =
      this.era === 'modern' && this.#level !== undefined ? { _meta: { [logLevelKey]: this.#level } } : {};
    const params = { name, arguments: args, ...meta };
    const options = { timeout: 60_000, ...how };
    const client = this.#client;
    const result =
      client instanceof ClientV1
        ? await client.callTool(params, undefined, options)
        : await client.callTool(params, options);
    const content = result.content as readonly { readonly text?: string }[];
    return { isError: result.isError === true, text: content.map(({ text }) => text ?? '').join('\n') };
  }

  async text(name: string, args: Record<string, unknown> = {}): Promise<string> {
    return (await this.call(name, args)).text;
  }

  async tools(): Promise<string[]> {
    return (await this.#client.listTools()).tools.map(({ name }) => name);
  }

  async resources(): Promise<string[]> {
    return (await this.#client.listResources()).resources.map(({ uri }) => uri);
  }

  async templates(): Promise<string[]> {
    const { resourceTemplates } = await this.#client.listResourceTemplates();
    return resourceTemplates.map(({ uriTemplate }) => uriTemplate);
  }

  async prompts(): Promise<string[]> {
    return (await this.#client.listPrompts()).prompts.map(({ name }) => name);
  }

  async read(uri: string): Promise<string> {
    const { contents } = await this.#client.readResource({ uri });
    return contents.map((it) => ('text' in it ? it.text : '')).join('\n');
  }

  async prompt(name: string, args: Record<string, string> = {}): Promise<string> {
    const { messages } = await this.#client.getPrompt({ name, arguments: args });
    return messages.map(({ content }) => ('text' in content ? content.text : '')).join('\n');
  }

  async complete(
    ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string },
    name: string,
    value: string,
  ): Promise<string[]> {
    return (await this.#client.complete({ ref, argument: { name, value } })).completion.values;
  }

  /** From now on: said once in the legacy era, with each call in the modern one. */
  async wantLines(level: Level | undefined): Promise<void> {
    this.#level = level;
    if (this.era === 'legacy' && level !== undefined) await this.#client.setLoggingLevel(level);
  }

  /** Follows a resource and, in the modern era, the listings; there is nothing to ask for in the legacy one. Gives the way back. */
  async follow(uri: string): Promise<() => Promise<unknown>> {
    const client = this.#client;
    if (client instanceof ClientV1 || this.era === 'legacy') {
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    }
    const stream = await client.listen({
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: [uri],
    });
    return () => stream.close();
  }

  /** Calls a tool whose news come on their own, until they are here. */
  async untilHeard(what: 'updated' | 'changed' | 'lines', expected: string): Promise<void> {
    await until(`${expected} is heard`, () => this.heard[what].includes(expected));
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** The JSON-RPC code with which something fails. */
export async function codeOf(failing: Promise<unknown>): Promise<unknown> {
  try {
    await failing;
    return 'it did not fail';
  } catch (reason) {
    return (reason as { readonly code?: unknown }).code ?? reason;
  }
}
