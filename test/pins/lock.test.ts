import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { readLock, type Lock, type Pin } from '../../src/pins/lock.ts';
import { writeLock } from '../support/old-state.ts';

const digest = 'ab'.repeat(32);
const pin = (more: Partial<Pin> = {}): Pin => ({
  digest,
  at: 1_800_000_000_000,
  how: 'first',
  by: '',
  definition: '{"name":"a"}',
  ...more,
});
const read = (text: string) => readLock(Buffer.from(text), '/state/pins.json');
const row = { name: 'a', digest, at: 1, how: 'first', by: '' };
const file = (tools: readonly object[], more: object = {}) =>
  JSON.stringify({ version: 1, servers: [{ name: 'fx', sealed: true, tools }], ...more });

describe('the lock file', () => {
  it('gives back what was written, whatever the names', () => {
    const lock: Lock = new Map([
      [
        'fx',
        {
          sealed: true,
          tools: new Map([
            ['__proto__', pin()],
            ['constructor', pin({ how: 'tool', by: 'ana', definition: undefined })],
            ['a"b\n\u2028\u{1f600}', pin({ how: 'server', by: 'ana' })],
          ]),
        },
      ],
      ['empty', { sealed: false, tools: new Map() }],
    ]);
    assert.deepEqual(read(writeLock(lock)), lock);
  });

  it('is read as a person may have laid it out', () =>
    assert.equal(read(JSON.stringify(JSON.parse(file([row])), undefined, 2)).get('fx')?.tools.size, 1));

  for (const [what, text, says] of [
    ['nothing at all', '', /./],
    ['half a file', file([row]).slice(0, -5), /./],
    ['a list', '[]', /not an object/],
    ['another version', file([], { version: 2 }), /newer mcpd/],
    ['no version', '{"servers":[]}', /version/],
    ['a member that nobody knows', file([], { more: 1 }), /unknown member "more"/],
    ['a member twice', file([row]).replace('"by":""', '"by":"","by":"x"'), /./],
    ['a tool twice', file([row, row]), /"a" twice/],
    ['a short digest', file([{ ...row, digest: 'ab' }]), /64 hex/],
    ['a digest in capitals', file([{ ...row, digest: 'AB'.repeat(32) }]), /64 hex/],
    ['no digest', file([{ ...row, digest: undefined }]), /64 hex/],
    ['a time that is none', file([{ ...row, at: -1 }]), /not a time/],
    ['an unknown way', file([{ ...row, how: 'approved' }]), /how/],
    ['a row without a name', file([{ ...row, name: '' }]), /no name/],
    ['servers by name', '{"version":1,"servers":{"fx":{}}}', /not a list/],
    ['sealed as a text', file([row]).replace('true', '"yes"'), /sealed/],
  ] as const) {
    it(`with ${what} is never taken for an empty one`, () =>
      assert.throws(
        () => read(text),
        (fault: unknown) =>
          fault instanceof Fault &&
          fault.code === 'CONFIG_INVALID' &&
          says.test(fault.message) &&
          fault.message.includes('/state/pins.json') &&
          fault.hint !== undefined,
      ));
  }
});
