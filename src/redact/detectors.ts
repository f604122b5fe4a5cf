import { plainRow, row, type Detector } from './detector.ts';
import { issuers } from './issuers.ts';
import { charset } from './runs.ts';
import { serviceDetectors } from './services.ts';
import {
  authorization,
  awsKeyId,
  bearer,
  jwt,
  jwtInBase64,
  privateKey,
  sendGrid,
  token,
  urlPassword,
} from './shapes.ts';

/** What counts as a secret by its looks. Lengths are what the issuers use today; longer ones are taken whole. */
export const detectors: readonly Detector[] = [
  row('github-token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], token(charset.alnum, 36)),
  row('github-token', ['github_pat_'], token(charset.word, 36)),
  row(
    'slack-token',
    ['xoxa-', 'xoxb-', 'xoxe-', 'xoxo-', 'xoxp-', 'xoxr-', 'xoxs-', 'xapp-'],
    token(charset.dash, 8, { digit: true }),
  ),
  row(
    'stripe-key',
    ['sk_live_', 'rk_live_', 'sk_test_', 'rk_test_', 'sk_prod_', 'rk_prod_'],
    token(charset.alnum, 10, { word: true }),
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
  row('mcpd-key', ['mcpd_'], token(charset.dash, 32, { digit: true, upper: true })),
  row('private-key', ['-----BEGIN '], privateKey),
  plainRow('jwt', ['eyJ'], jwt),
  plainRow('jwt', ['ZXlK'], jwtInBase64),
  plainRow('bearer-token', ['Bearer ', 'bearer ', 'BEARER ', 'Bearer%20'], bearer),
  plainRow('authorization', ['uthorization', 'UTHORIZATION'], authorization),
  plainRow(
    'api-key-header',
    [
      'x-api-key',
      'X-Api-Key',
      'X-API-Key',
      'X-API-KEY',
      'x-auth-token',
      'X-Auth-Token',
      'rivate-token',
      'RIVATE-TOKEN',
      'rivate-Token',
    ],
    authorization,
  ),
  plainRow('url-password', ['://'], urlPassword),
  ...issuers,
  ...serviceDetectors,
];
