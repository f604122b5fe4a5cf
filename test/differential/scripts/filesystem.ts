import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, heard, hello, notice, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** Files: large and odd texts, media, and errors that name paths. It takes its folders from the client's roots. */
export const filesystem: Scripted = {
  name: 'filesystem',
  maker: 'Model Context Protocol, SDK v1',
  program: npm('@modelcontextprotocol/server-filesystem/dist/index.js'),
  args: (place) => [place],
  env: () => ({}),
  prepare: (place) => {
    const work = join(place, 'work');
    rmSync(work, { recursive: true, force: true });
    mkdirSync(join(work, 'deep', 'er'), { recursive: true });
    writeFileSync(join(work, 'plain.txt'), 'one\ntwo\nthree\n');
    writeFileSync(join(work, 'odd.txt'), 'tab\there \\ "quoted" \u2028 \u0085 \ud83d\ude00 \u0001 é\r\n');
    writeFileSync(join(work, 'large.txt'), 'The quick brown fox. äöü\n'.repeat(40_000));
    writeFileSync(join(work, 'deep', 'er', 'numbers.json'), '{"a":9007199254740993,"b":1e400,"c":-0}\n');
    writeFileSync(join(work, 'dot.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3, 255]));
  },
  varies: [[/(created|modified|accessed): [^"\\]*/g, '$1: (a time)']],
  script: (place) => {
    const at = (...parts: readonly string[]) => JSON.stringify(join(place, ...parts));
    return {
      answers: new Map([['roots/list', `{"roots":[{"uri":"file://${place}","name":"the folder"}]}`]]),
      steps: [
        ...hello('2025-11-25', '{"roots":{"listChanged":true}}'),
        heard('roots/list'),
        send(request(1, 'tools/list')),
        send(request(2, 'resources/list')),
        send(request(3, 'prompts/get', '{"name":"none"}')),
        send(call(4, 'list_allowed_directories')),
        send(call(5, 'list_directory', `{"path":${at('work')}}`)),
        send(call(6, 'list_directory_with_sizes', `{"path":${at('work')},"sortBy":"size"}`)),
        send(call(7, 'directory_tree', `{"path":${at('work')}}`)),
        send(call(8, 'read_text_file', `{"path":${at('work', 'plain.txt')}}`)),
        send(call(9, 'read_text_file', `{"head":2,"path":${at('work', 'plain.txt')}}`)),
        send(call(10, 'read_text_file', `{"path":${at('work', 'odd.txt')}}`)),
        send(call(11, 'read_text_file', `{"path":${at('work', 'large.txt')}}`)),
        send(call(12, 'read_text_file', `{"path":${at('work', 'deep', 'er', 'numbers.json')}}`)),
        send(call(13, 'read_media_file', `{"path":${at('work', 'dot.png')}}`)),
        send(
          call(
            14,
            'read_multiple_files',
            `{"paths":[${at('work', 'plain.txt')},${at('work', 'not-there')}]}`,
          ),
        ),
        send(call(15, 'get_file_info', `{"path":${at('work', 'plain.txt')}}`)),
        send(call(16, 'search_files', `{"path":${at('work')},"pattern":"**/*.json"}`)),
        send(call(17, 'read_text_file', '{"path":"/etc/passwd"}')),
        send(call(18, 'read_text_file', `{"path":${at('work', 'not-there')}}`)),
        send(call(19, 'read_text_file', '{"path":17}')),
        send(call(20, 'read_text_file')),
        send(call(21, 'no_such_tool')),
        send(call(22, 'write_file', `{"path":${at('work', 'new.txt')},"content":"old\\ntext \\u2029\\n"}`)),
        send(
          call(
            23,
            'edit_file',
            `{"path":${at('work', 'new.txt')},"edits":[{"oldText":"old","newText":"new"}],"dryRun":false}`,
          ),
        ),
        send(call(24, 'read_text_file', `{"path":${at('work', 'new.txt')}}`)),
        send(call(25, 'create_directory', `{"path":${at('work', 'made')}}`)),
        send(
          call(
            26,
            'move_file',
            `{"source":${at('work', 'new.txt')},"destination":${at('work', 'made', 'moved.txt')}}`,
          ),
        ),
        send(call(27, 'directory_tree', `{"path":${at('work')}}`)),
        send(notice('notifications/roots/list_changed')),
        heard('roots/list', 2),
        send(request('last', 'ping')),
      ],
    };
  },
};
