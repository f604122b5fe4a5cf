import { z } from 'zod';
import { baseShape, serverShape } from './schema-server.ts';
import { daemonShape } from './schema.ts';

/** The kinds of policy file there are. */
export type PolicyFileKind = (typeof policyFileKinds)[number];
export const policyFileKinds = ['server', 'daemon', 'base'] as const;

const about: ReadonlyMap<PolicyFileKind, { readonly shape: z.ZodType; readonly title: string }> = new Map([
  ['server', { shape: serverShape, title: 'mcpd: servers/NAME.toml' }],
  ['daemon', { shape: daemonShape, title: 'mcpd: mcpd.toml' }],
  ['base', { shape: baseShape, title: 'mcpd: a base that server files extend' }],
]);

/**
 * A JSON Schema (draft-07, which is what TOML editors read) of one kind of policy file, made from the shapes that the loader
 * checks with. It completes and explains keys; what depends on several keys at once is checked by `mcpd policy check` only.
 * Times stand in it as texts of format `date-time`, because JSON has no others.
 */
export function policyJsonSchema(which: PolicyFileKind): object {
  const { shape, title } = about.get(which) ?? { shape: serverShape, title: '' };
  const schema = z.toJSONSchema(shape, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
  return { ...schema, title };
}
