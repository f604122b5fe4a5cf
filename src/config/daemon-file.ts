import { resolve } from 'node:path';
import type { z } from 'zod';
import { Fault } from '../domain/faults.ts';
import type { Webhook } from '../domain/orders.ts';
import type { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import { auditTerms, overloadTerms } from './care.ts';
import { daemonLimits } from './limits.ts';
import { fromHere } from './reference.ts';
import { listenDoors } from './schema-listen.ts';
import { oauthIssuers } from './schema-oauth.ts';
import { isLoopback } from './schema.ts';
import type { DaemonFile, daemonShape } from './schema.ts';
import { secretSettings } from './secrets.ts';
import { stateDirFrom } from './state-dir.ts';
import type { Environment } from './state-dir.ts';

const namesMax = 256;
const roleName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** mcpd.toml whose shape is right, turned into what the house works with; whatever does not fit is complained about. */
export function daemonFile(
  written: z.output<typeof daemonShape>,
  place: { readonly file: string; readonly folder: string; readonly env: Environment },
  complaints: Complaints,
): DaemonFile {
  const { listen, callers, requests, sessions } = written;
  if (!isLoopback(listen.host)) {
    if (callers.without_key === 'allowed') {
      // Anyone on the network would be "anyone on this machine".
      const what = `callers without a key cannot be allowed while listening on ${quote(listen.host)}`;
      complaints.about(
        ['callers', 'without_key'],
        what,
        'a loopback host such as 127.0.0.1, or no such line',
      );
    }
    const what = `${quote(listen.host)} can be reached from other machines, and keys travel there unencrypted`;
    if (listen.tls === undefined)
      complaints.about(
        ['listen', 'host'],
        what,
        'tls = { … }, or a loopback host behind a proxy that speaks TLS',
        'warning',
      );
  }
  if (requests.headers_within > requests.read_within) {
    complaints.about(
      ['requests', 'headers_within'],
      'headers may take longer than the whole request',
      'at most read_within',
    );
  }
  if (sessions.per_caller_max > sessions.max) {
    complaints.about(
      ['sessions', 'per_caller_max'],
      'one caller may have more sessions than there are',
      'at most max',
    );
  }
  return {
    file: place.file,
    listen: {
      host: listen.host,
      port: listen.port,
      allowedHosts: listen.allowed_hosts,
      allowedOrigins: listen.allowed_origins,
      httpSse: listen.http_sse,
      publicUrl: listen.public_url,
      ...listenDoors(listen, place.folder, complaints),
    },
    callersWithoutKey: callers.without_key,
    requests: {
      bodyBytesMax: requests.body_max,
      depthMax: requests.depth_max,
      readWithinMs: requests.read_within,
      headersWithinMs: requests.headers_within,
    },
    sessions: {
      max: sessions.max,
      perCallerMax: sessions.per_caller_max,
      idleMs: sessions.idle,
      pollAfterMs: sessions.poll_after,
    },
    limits: daemonLimits(written.limits, complaints),
    roles: rolesOf(written.roles, complaints),
    webhooks: webhooksOf(written.webhooks, place.folder, complaints),
    oauth: oauthIssuers(written.oauth, place.folder, complaints),
    secrets: secretSettings(written.secrets, place.folder, complaints),
    log: { level: written.log.level, fileBytesMax: written.log.file_max, filesMax: written.log.files_max },
    audit: auditTerms(written.audit, place.folder, complaints),
    overload: overloadTerms(written.overload, complaints),
    drainWithinMs: written.stop.drain_within,
    questionsMax: written.confirm.questions_max,
    stateDir: stateDirOf(written.state.dir, place, complaints),
    profiles: profilesOf(written.profiles, complaints),
  };
}

/** A profile's name stands in a URL. */
function profilesOf(
  written: Readonly<Record<string, readonly string[]>>,
  complaints: Complaints,
): DaemonFile['profiles'] {
  const profiles = Object.entries(written);
  for (const [name] of profiles)
    if (!/^[a-z0-9-]{1,32}$/.test(name))
      complaints.about(['profiles', name], `bad profile name ${quote(name)}`, '1 to 32 of a-z, 0-9 and -');
  return profiles;
}

/** Role → callers; a role that nobody has is a role nobody can check. */
function rolesOf(
  written: Readonly<Record<string, readonly string[]>>,
  complaints: Complaints,
): DaemonFile['roles'] {
  const roles = Object.entries(written);
  if (roles.length > namesMax)
    complaints.aboutKey(['roles'], `${String(roles.length)} roles`, `at most ${String(namesMax)}`);
  for (const [name, callers] of roles) {
    if (!roleName.test(name))
      complaints.aboutKey(
        ['roles', name],
        `bad role name ${quote(name)}`,
        '1 to 64 of a-z, A-Z, 0-9, ., _ and -',
      );
    if (callers.length === 0)
      complaints.about(['roles', name], `nobody has the role ${quote(name)}`, 'at least one caller');
  }
  return roles;
}

function webhooksOf(
  written: Readonly<Record<string, { readonly url: string; readonly secret: string }>>,
  folder: string,
  complaints: Complaints,
): readonly Webhook[] {
  const webhooks = Object.entries(written);
  if (webhooks.length > namesMax)
    complaints.aboutKey(['webhooks'], `${String(webhooks.length)} webhooks`, `at most ${String(namesMax)}`);
  return webhooks.map(([name, { url, secret }]) => {
    if (!/^[a-z0-9-]{1,32}$/.test(name))
      complaints.aboutKey(['webhooks', name], `bad webhook name ${quote(name)}`, '1 to 32 of a-z, 0-9 and -');
    return { name, url, secret: fromHere(secret, folder) ?? secret };
  });
}

function stateDirOf(
  written: string | undefined,
  { folder, env }: { readonly folder: string; readonly env: Environment },
  complaints: Complaints,
): string {
  try {
    return stateDirFrom(env, written === undefined ? undefined : resolve(folder, written));
  } catch (reason) {
    const fault = Fault.from(reason);
    complaints.about(['state', 'dir'], fault.detail ?? fault.says, fault.hint ?? 'an absolute path');
    return '';
  }
}
