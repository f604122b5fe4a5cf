import type { Returns, ToolText } from '../domain/orders.ts';
import { conditionsOf } from './conditions.ts';
import { quote } from './complaint.ts';
import type { Here } from './here.ts';
import type { WrittenTool } from './schema-tool.ts';

const toolsMax = 1000;
const fullBytes = 16 * 1024 * 1024;
const snippetBytes = 2 * 1024;

/** The `[tools.*]` tables of one file. */
export function toolsOf(written: Readonly<Record<string, WrittenTool>>, here: Here): readonly ToolText[] {
  const entries = Object.entries(written);
  if (entries.length > toolsMax)
    here.complaints.aboutKey(['tools'], `${String(entries.length)} tools`, `at most ${String(toolsMax)}`);
  return entries.slice(0, toolsMax).map(([name, tool]) => toolOf(name, tool, here));
}

function toolOf(name: string, written: WrittenTool, here: Here): ToolText {
  const at = ['tools', name] as const;
  const { risk, effect, idempotent, retry, breaker } = written;
  if (name === '' || name.length > 512 || /[\u0000-\u001f\u007f]/.test(name))
    here.complaints.aboutKey(
      at,
      `bad tool name ${quote(name)}`,
      'an exact name or a pattern with *, in quotes',
    );
  // Made again, a payment is paid twice.
  if (retry !== undefined && !idempotent)
    here.complaints.aboutKey(
      [...at, 'retry'],
      `calls of ${quote(name)} may not be made again`,
      'idempotent = true, where that is so, or no such line',
    );
  if (retry !== undefined && retry.first > retry.most)
    here.complaints.about(
      [...at, 'retry', 'first'],
      'the first wait is longer than any may be',
      'at most "most"',
    );
  return {
    name,
    risk,
    effect,
    args: conditionsOf(written.args, [...at, 'args'], 'leave', here),
    retry:
      retry === undefined || !idempotent
        ? undefined
        : { times: retry.times, firstMs: retry.first, mostMs: retry.most },
    breaker:
      breaker === undefined
        ? undefined
        : { failures: breaker.failures, withinMs: breaker.within, restMs: breaker.rest },
    returns: returnsOf(written, here, at),
    answerWithinMs: written.answer_within,
    place: here.complaints.lineOf(at),
  };
}

function returnsOf({ returns, result_max }: WrittenTool, here: Here, at: readonly string[]): Returns {
  if (returns === 'metadata' && result_max !== undefined)
    here.complaints.aboutKey(
      [...at, 'result_max'],
      '"result_max" means nothing with returns = "metadata"',
      'no such line',
    );
  return { mode: returns, bytesMax: result_max ?? (returns === 'snippet' ? snippetBytes : fullBytes) };
}
