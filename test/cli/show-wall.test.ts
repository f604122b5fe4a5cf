import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showWalls } from '../../src/cli/show-wall.ts';

const wall = { by: 'bubblewrap', kept: [], missing: [], notes: [] };
const gap = (guarantee: string, why: string, mend: string | null = null) => ({ guarantee, why, mend });

test('nothing is said of a server that lacks nothing, or was not started yet', () => {
  assert.deepEqual(showWalls([{ name: 'a', wall }, { name: 'b', wall: null }, { name: 'c' }]), []);
});

test('what is missing for one reason is one line, with what to type', () => {
  const missing = [
    gap('user', 'no leave', 'chown x'),
    gap('home', 'no leave', 'chown x'),
    gap('cpu', 'no prlimit'),
  ];
  assert.deepEqual(
    showWalls([{ name: 'files', wall: { ...wall, missing, notes: ['/x is declared, and not there'] } }]),
    [
      'files runs without a user of its own, a home and a temporary folder of its own: no leave; chown x',
      'files runs without a limit on processor time: no prlimit',
      'files: /x is declared, and not there',
    ],
  );
});

test('where there is no wall at all, one line says so', () => {
  const missing = [gap('files', 'sandbox = "off"'), gap('process-count', 'something else')];
  assert.deepEqual(showWalls([{ name: 'files', wall: { ...wall, by: 'nothing', missing } }]), [
    'files runs without a wall: sandbox = "off"',
  ]);
});
