import { rmSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, hello, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** A linter: results that hold source text and JSON inside of JSON. */
export const eslint: Scripted = {
  name: 'eslint',
  maker: 'ESLint, SDK v1 of its own copy',
  program: npm('@eslint/mcp/src/mcp-cli.js'),
  args: () => [],
  env: () => ({}),
  prepare: (place) => {
    rmSync(join(place, 'work'), { recursive: true, force: true });
    mkdirSync(join(place, 'work'));
    writeFileSync(
      join(place, 'eslint.config.mjs'),
      'export default [{ rules: { "no-var": "error", "no-undef": "warn", "prefer-const": "error" } }];\n',
    );
    writeFileSync(
      join(place, 'work', 'bad.js'),
      'var a = 9007199254740993;\nlet b = "\\u2028 ü";\nc(a, b);\n',
    );
    writeFileSync(join(place, 'work', 'broken.js'), 'function (\n');
  },
  varies: [],
  script: (place) => {
    const at = (name: string) => JSON.stringify(join(place, 'work', name));
    return {
      answers: new Map(),
      steps: [
        ...hello('2025-03-26'),
        send(request(1, 'tools/list')),
        send(call(2, 'lint-files', `{"filePaths":[${at('bad.js')}]}`)),
        send(call(3, 'lint-files', `{"filePaths":[${at('bad.js')},${at('broken.js')}]}`)),
        send(call(4, 'lint-files', `{"filePaths":[${at('not-there.js')}]}`)),
        send(call(5, 'lint-files', '{"filePaths":[]}')),
        send(call(6, 'lint-files', '{"filePaths":[""],"more":1}')),
        send(call(7, 'lint-files')),
        send(call(8, 'lint_files', '{}')),
        send(request(9, 'prompts/list')),
      ],
    };
  },
};
