import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindingText, stillBound } from '../../src/domain/binding.ts';

test('a yes stands for one definition of the tool in one child', () => {
  const then = bindingText('aa', '12.0');
  assert.ok(stillBound(then, bindingText('aa', '12.0')));
  for (const now of [
    bindingText('ab', '12.0'),
    bindingText('aa', '13.0'),
    bindingText('aa', '12.1'),
    bindingText('aa', '12.01'),
    bindingText('aa', ''),
    bindingText('', '12.0'),
  ])
    assert.ok(!stillBound(then, now), now);
});

test('a child that did not run yet may have been started since, and no child may have been lost', () => {
  assert.ok(stillBound(bindingText('aa', ''), bindingText('aa', '12.0')));
  assert.ok(!stillBound(bindingText('', ''), bindingText('aa', '')));
  assert.ok(stillBound(bindingText('aa', '3+'), bindingText('aa', '3+12.0')));
  assert.ok(!stillBound(bindingText('aa', '3+'), bindingText('aa', '4+12.0')));
  assert.ok(!stillBound(bindingText('aa', '3+'), bindingText('aa', '31+12.0')));
  assert.ok(!stillBound(bindingText('aa', '3+12.0'), bindingText('aa', '3+')));
});
