import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { showDrifts, showPinnedPackage } from '../../src/cli/show-packages.ts';
import type { AdminPlane } from '../../src/operate/admin-plane.ts';
import { readArgs } from '../../src/operate/args.ts';
import { packagesOf, pinPackage, type PackageDesk } from '../../src/operate/package-commands.ts';
import { Refused } from '../../src/operate/reply.ts';
import { FakePlane } from './plane.ts';

const one = { name: 'x', version: '1.0.0', integrity: 'sha512-AA==', tree: 'a'.repeat(64) };
const two = { ...one, version: '1.0.1' };
const report = { server: 'files', by: 'npx', asked: 'x', because: null, pinned: false };

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-package-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function planeWith(desk?: Partial<PackageDesk>): AdminPlane {
  const plane: AdminPlane = new FakePlane(dir);
  if (desk === undefined) return plane;
  const packages = {
    report: () => [],
    acknowledge: () => ({ kind: 'unseen' }) as const,
    unsaved: undefined,
    ...desk,
  };
  return Object.assign(plane, { packages });
}

const pin = (plane: AdminPlane, server: string) =>
  pinPackage(plane, readArgs({ server: 'text' }, { server }), 'ana');
const code = (work: () => unknown): string => {
  try {
    work();
    return 'ok';
  } catch (reason) {
    assert.ok(reason instanceof Refused && reason.hint !== undefined);
    return reason.code;
  }
};

describe('mcpd ctl pin-package', () => {
  test('agrees in the name of who typed it, and says whether that changed anything', () => {
    const asked: string[] = [];
    for (const kind of ['done', 'already'] as const) {
      const acknowledge = (server: string, by: string) => {
        asked.push(`${server} ${by}`);
        return { kind, installed: two };
      };
      assert.deepEqual(pin(planeWith({ acknowledge }), 'files'), {
        ok: true,
        command: 'pin-package',
        server: 'files',
        changed: kind === 'done',
        ...two,
      });
    }
    assert.deepEqual(asked, ['files ana', 'files ana']);
  });

  test('refuses a server that there is not, a package that nobody saw, and a disk that is full', () => {
    assert.equal(
      code(() => pin(planeWith({}), 'fils')),
      'NOT_FOUND',
    );
    assert.equal(
      code(() => pin(planeWith({}), 'files')),
      'NOT_FOUND',
    );
    assert.equal(
      code(() => pin(planeWith(), 'files')),
      'NOT_FOUND',
    );
    const acknowledge = () => {
      throw new Error('no space left on the device');
    };
    assert.equal(
      code(() => pin(planeWith({ acknowledge }), 'files')),
      'NOT_DURABLE',
    );
  });

  test('prints a line for the file, where there is an integrity', () => {
    assert.match(
      showPinnedPackage({ server: 'files', changed: true, ...two }),
      /^x 1\.0\.1 is what files should run\.\n.*\n {2}package = \{ version = "1\.0\.1", integrity = "sha512-AA==" \}$/,
    );
    assert.equal(
      showPinnedPackage({ server: 'files', changed: false, ...two, integrity: null }),
      'x 1.0.1 is what files should run already.',
    );
  });
});

describe('mcpd ctl status', () => {
  test('asks for the packages of the servers there are', () => {
    const asked: string[] = [];
    const plane = planeWith({
      report: (servers) => {
        asked.push(...servers);
        return [{ ...report, installed: one, was: null }];
      },
    });
    assert.equal(packagesOf(plane).length, 1);
    assert.deepEqual(asked, ['files', 'memory']);
  });

  test('shows a person what drifted, and nothing else; control characters are made visible', () => {
    assert.deepEqual(showDrifts([{ ...report, installed: one, was: null }]), []);
    assert.deepEqual(showDrifts(undefined), []);
    assert.deepEqual(showDrifts([{ ...report, installed: two, was: one }]), [
      'package of files is now x 1.0.1, and was 1.0.0: mcpd ctl pin-package files',
    ]);
    assert.deepEqual(showDrifts([{ ...report, installed: one, was: { ...one, integrity: null } }]), [
      'package of files is now x 1.0.0, and was other contents of 1.0.0: mcpd ctl pin-package files',
    ]);
    const [line = ''] = showDrifts([{ ...report, installed: { ...two, name: '\u001b[2Jx' }, was: one }]);
    assert.ok(!line.includes('\u001b'));
  });
});
