import { resolve } from 'node:path';
import type { z } from 'zod';
import type { AuditTerms, Care, OverloadTerms } from '../domain/care.ts';
import type { Complaints } from './complain.ts';
import type { auditShape, overloadShape } from './schema-care.ts';
import type { WrittenServer } from './schema-server.ts';

/** What a server file says about keeping its children alive. */
export function careOf({ start, restarts, health, resume }: WrittenServer, complaints: Complaints): Care {
  const { tool, args, tool_every } = health;
  if (tool === undefined && Object.keys(args).length > 0)
    complaints.aboutKey(['health', 'args'], 'arguments without a tool', 'tool = "NAME"');
  return {
    start,
    deathsMax: restarts.max,
    deathsWithinMs: restarts.within,
    health: {
      everyMs: health.off ? 0 : health.every,
      withinMs: health.within,
      failuresMax: health.failures,
      proof: tool === undefined ? undefined : { tool, args, everyMs: tool_every },
    },
    resume,
  };
}

/** The `[audit]` table. */
export function auditTerms(
  written: z.output<typeof auditShape>,
  folder: string,
  complaints: Complaints,
): AuditTerms {
  if (written.keep_max < written.file_max)
    complaints.about(['audit', 'keep_max'], 'less is kept than one file holds', 'at least file_max');
  return {
    durable: written.durable,
    fileBytesMax: written.file_max,
    fileAgeMs: written.file_age,
    keepMs: written.keep,
    keepBytesMax: written.keep_max,
    checkpointEveryMs: written.checkpoint_every,
    checkpointDir: written.checkpoints === undefined ? undefined : resolve(folder, written.checkpoints),
  };
}

/** The `[overload]` table. */
export function overloadTerms(
  written: z.output<typeof overloadShape>,
  complaints: Complaints,
): OverloadTerms {
  if (written.per_caller_max > written.requests_max)
    complaints.about(
      ['overload', 'per_caller_max'],
      'one caller may have more requests under way than there are',
      'at most requests_max',
    );
  return {
    requestsMax: written.requests_max,
    perCallerMax: written.per_caller_max,
    connectionsMax: written.connections_max,
    bodyBytesMax: written.bodies_max,
    lagMs: written.lag,
    unreadBytesMax: written.unread_max,
  };
}
