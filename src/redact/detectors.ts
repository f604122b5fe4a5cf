import { charset } from './runs.ts';
import {
  authorization,
  awsKeyId,
  bearer,
  jwt,
  privateKey,
  sendGrid,
  token,
  urlPassword,
  type Shape,
} from './shapes.ts';

export type Detector = {
  /** What stands in the place of the secret: `[redacted:github-token]`. */
  readonly name: string;
  /** Texts one of which begins every secret of this kind; at least three characters, because all are searched for at once. */
  readonly literals: readonly string[];
  readonly shape: Shape;
  /** Whether it is also looked for in base64, hexadecimal and percent-encoding. */
  readonly encoded: boolean;
};

/** What counts as a secret by its looks. Lengths are what the issuers use today; longer ones are taken whole. */
export const detectors: readonly Detector[] = [
  row('github-token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], token(charset.alnum, 36)),
  row('github-token', ['github_pat_'], token(charset.word, 36)),
  row('gitlab-token', ['glpat-'], token(charset.dotted, 20)),
  row(
    'slack-token',
    ['xoxa-', 'xoxb-', 'xoxe-', 'xoxo-', 'xoxp-', 'xoxr-', 'xoxs-', 'xapp-'],
    token(charset.dash, 10, { digit: true }),
  ),
  row(
    'stripe-key',
    ['sk_live_', 'rk_live_', 'sk_test_', 'rk_test_', 'sk_prod_', 'rk_prod_'],
    token(charset.alnum, 16, { word: true }),
  ),
  row('anthropic-key', ['sk-ant-'], token(charset.dash, 20)),
  row(
    'openai-key',
    ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-or-v1-'],
    token(charset.dash, 20, { digit: true }),
  ),
  // Older keys have nothing but `sk-` before them, so they must begin a word and go on without a dash.
  row('openai-key', ['sk-'], token(charset.alnum, 20, { word: true, digit: true })),
  row('aws-key-id', ['AKIA', 'ASIA', 'ABIA', 'ACCA'], awsKeyId),
  row('google-key', ['AIza'], token(charset.dash, 35)),
  row('npm-token', ['npm_'], token(charset.alnum, 36)),
  row('pypi-token', ['pypi-AgE'], token(charset.dash, 40)),
  row('sendgrid-key', ['SG.'], sendGrid),
  row('huggingface-token', ['hf_', 'api_org_'], token(charset.alnum, 30, { word: true })),
  row('digitalocean-token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], token(charset.alnum, 40)),
  row('mcpd-key', ['mcpd_'], token(charset.dash, 32, { digit: true, upper: true })),
  row('private-key', ['-----BEGIN '], privateKey),
  plainRow('jwt', ['eyJ'], jwt),
  plainRow('bearer-token', ['Bearer ', 'bearer ', 'BEARER ', 'Bearer%20'], bearer),
  plainRow('authorization', ['uthorization', 'UTHORIZATION'], authorization),
  plainRow('url-password', ['://'], urlPassword),
];

function row(name: string, literals: readonly string[], shape: Shape): Detector {
  return { name, literals, shape, encoded: true };
}

function plainRow(name: string, literals: readonly string[], shape: Shape): Detector {
  return { name, literals, shape, encoded: false };
}
