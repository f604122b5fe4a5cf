import type { Json, JsonText } from '../domain/message.ts';
import type { MirroredArgument } from '../domain/upstream.ts';
import { member, objectOf, valueOf } from '../protocol/codec.ts';
import { encodeHeader, mirroredArguments } from '../protocol/mirror.ts';
import type { Headers } from './wire.ts';

const toolsMax = 10_000;

/**
 * Which arguments of which tool are repeated in `Mcp-Param-*` headers (2026-07-28 streamable-http, custom headers). A stdio
 * client knows nothing of headers, and the daemon insists on them, so they are learnt from the listings that pass by.
 */
export class ToolHeaders {
  readonly #declared = new Map<string, readonly MirroredArgument[]>();

  /** Takes in one page of `tools/list`. */
  learn(result: JsonText): void {
    const { tools } = objectOf(result);
    if (!Array.isArray(tools)) return;
    for (const tool of tools) {
      const name = partOf(tool, 'name');
      if (typeof name !== 'string') continue;
      const declared = mirroredArguments(partOf(tool, 'inputSchema'));
      if (declared.length === 0) this.#declared.delete(name);
      else if (this.#declared.size < toolsMax) this.#declared.set(name, declared);
    }
  }

  /** The headers for the `params` of one `tools/call`. An argument that is absent or null has none. */
  of(params: JsonText): Headers {
    const name = objectOf(params)['name'];
    const headers: Record<string, string> = {};
    for (const { header, path } of (typeof name === 'string' && this.#declared.get(name)) || []) {
      const text = member(params, ['arguments', ...path]);
      const value = text === undefined ? null : valueOf(text);
      if (typeof value === 'string') headers[`mcp-param-${header}`] = encodeHeader(value);
      // The digits as they stand: a double would round the long ones.
      else if (typeof value === 'number' || typeof value === 'boolean')
        headers[`mcp-param-${header}`] = String(text);
    }
    return headers;
  }
}

function partOf(value: Json, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
