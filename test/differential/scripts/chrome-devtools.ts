import { call, hello, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** The longest listing of all. It is listed and called wrongly, for there is no browser here. */
export const chromeDevtools: Scripted = {
  name: 'chrome-devtools',
  maker: 'Google, SDK bundled',
  program: npm('chrome-devtools-mcp/build/src/bin/chrome-devtools-mcp.js'),
  args: () => ['--no-usage-statistics'],
  env: () => ({ CI: '1', CHROME_DEVTOOLS_MCP_NO_UPDATE_CHECKS: '1' }),
  prepare: () => undefined,
  varies: [],
  script: () => ({
    answers: new Map(),
    steps: [
      ...hello('2025-11-25'),
      send(request(1, 'tools/list')),
      send(request(2, 'tools/list', '{"cursor":"zzz"}')),
      send(request(3, 'logging/setLevel', '{"level":"warning"}')),
      send(request(4, 'resources/list')),
      send(call(5, 'click', '{"uid":1}')),
      send(call(6, 'resize_page', '{"pageId":1,"width":-1,"height":1e400}')),
      send(call(7, 'no_such_tool')),
      send(request(8, 'prompts/list')),
    ],
  }),
};
