import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reaches } from '../src/public-address.ts';

describe('where an address lies:', () => {
  for (const [kind, ...addresses] of [
    [
      'public',
      '1.1.1.1',
      '172.15.255.255',
      '172.32.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '2606:4700::1',
      '2a00::1',
    ],
    [
      'private',
      '10.0.0.0',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.255.255',
      '100.64.0.1',
      'fc00::1',
      'fdff::1',
      '64:ff9b::a00:1',
      '::ffff:10.0.0.1',
      '::ffff:a00:1',
    ],
    ['loopback', '127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'],
    [
      'never',
      '0.0.0.0',
      '169.254.169.254',
      '192.0.2.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      'fe80::1',
      'fe80::1%eth0',
      'ff02::1',
      '2001::1',
      '2001:db8::1',
      '2002:a00:1::',
      '::127.0.0.1',
      '::ffff:169.254.169.254',
      'localhost',
      'auth.example',
      '',
      '127.1',
      '0x7f.1',
    ],
  ] as const)
    for (const address of addresses) it(`${address} is ${kind}`, () => assert.equal(reaches(address), kind));
});
