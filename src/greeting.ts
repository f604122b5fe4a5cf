import { styleText } from 'node:util';
import type { Daemon } from './daemon.ts';
import { showWalls } from './cli/show-wall.ts';
import { printable } from './domain/printable.ts';
import type { ServerReport } from './operate/status.ts';
import { report } from './operate/status.ts';
import type { Preview } from './policy/preview.ts';

/** Tool names shown for each of allowed, gated and hidden; the rest is counted. */
const namesMax = 8;

/** What to type: in a clone started by npm, the command is reached through npx. */
const mcpd = process.env['npm_lifecycle_event'] === undefined ? 'mcpd' : 'npx mcpd';

/** What a person sees when the daemon is up: what runs, what it lets through, and how to connect. */
export function greeting(daemon: Daemon, newKey: string | undefined): string {
  const { servers, status, because } = report(daemon.health());
  const previews = daemon.previews({ name: 'a caller with a key' });
  const warnings = [...because, ...showWalls(servers), ...daemon.idleRules()];
  const parts = [
    `\n${bold('mcpd')} ${daemon.url} — ${servers.length} ${servers.length === 1 ? 'server' : 'servers'}, ${status}\n`,
    ...servers.map((server) => about(server, daemon.url, previews.get(server.name))),
    // Whoever pastes what stands below has read first which servers lack a part of their wall.
    ...warnings.map((reason) => styleText('yellow', `  ! ${printable(reason)}\n`)),
    warnings.length === 0 ? '' : '\n',
    connecting(daemon, servers, newKey),
    `${bold('Operate')}  ${mcpd} ctl status | approvals | approve ID | disable-tool SERVER/TOOL | lockdown\n`,
    `         ${mcpd} audit query --since 1h\n`,
    `${bold('State')}    ${printable(daemon.state.dir)}\n\n`,
  ];
  return parts.join('');
}

function about(server: ServerReport, url: string, preview: Preview | undefined): string {
  const { name, state, because, offers, pid } = server;
  const colour =
    state === 'ready' ? 'green' : state === 'starting' || state === 'backing-off' ? 'yellow' : 'red';
  const what = offers === null ? '' : ` ${printable(offers.serverName)} ${printable(offers.serverVersion)}`;
  const lines = [
    `  ${styleText(colour, '●')} ${bold(name)}  ${state}${pid === null ? '' : ` (pid ${pid})`}${what}`,
    `      ${url}/servers/${name}/mcp`,
    ...(because === null ? [] : [`      ${styleText('red', printable(because))}`]),
    ...(preview === undefined
      ? []
      : [tools('allowed', preview.allowed), tools('gated', preview.gated), tools('hidden', preview.hidden)]),
  ];
  return `${lines.join('\n')}\n\n`;
}

function tools(word: string, names: readonly string[]): string {
  const shown = names.slice(0, namesMax).map(printable).join(', ');
  const more = names.length > namesMax ? `, … and ${names.length - namesMax} more` : '';
  return `      ${word.padEnd(8)}${String(names.length).padStart(3)}  ${shown === '' ? '' : styleText('dim', shown + more)}`;
}

function connecting(daemon: Daemon, servers: readonly ServerReport[], newKey: string | undefined): string {
  if (daemon.withoutKey) {
    const warning = 'Anyone on this machine may call without a key: mcpd.toml says so under [callers].\n';
    return `${styleText(['red', 'bold'], warning)}${clientConfiguration(daemon, servers, undefined)}\n`;
  }
  if (newKey !== undefined) {
    const says = 'This is your key; it is shown once and stored only as a hash.';
    return `${bold('Paste into your MCP client')}  ${says}\n${clientConfiguration(daemon, servers, newKey)}\n`;
  }
  const hint = daemon.keysMade === 0 ? 'There is no key yet.' : 'Put in a key you have.';
  return `${bold('Paste into your MCP client')}  ${hint} New one: ${mcpd} key add NAME\n${clientConfiguration(daemon, servers, 'YOUR-KEY')}\n`;
}

/** The form that MCP clients read: a map of servers, each with its URL and headers. */
function clientConfiguration(
  daemon: Daemon,
  servers: readonly ServerReport[],
  key: string | undefined,
): string {
  const mcpServers = Object.fromEntries(
    servers.map(({ name }) => [
      name,
      {
        type: 'http',
        url: `${daemon.url}/servers/${name}/mcp`,
        ...(key === undefined ? {} : { headers: { Authorization: `Bearer ${key}` } }),
      },
    ]),
  );
  return JSON.stringify({ mcpServers }, null, 2);
}

function bold(text: string): string {
  return styleText('bold', text);
}
