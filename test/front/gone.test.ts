/** Clients that go away while mcpd still looks at their credential, or brings their session back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { readBody } from '../../src/front/body.ts';
import type { FrontPlane } from '../../src/front/front-plane.ts';
import { admitted, held } from '../../src/front/let-in.ts';
import type { Known } from '../../src/front/sign-in.ts';
import { pressureOf } from './pressure-of.ts';

/** Does something with a request whose client was there, and has gone. */
async function afterwards(
  text: string,
  work: (req: IncomingMessage, res: ServerResponse) => Promise<void>,
): Promise<void> {
  const done = Promise.withResolvers<void>();
  const server = createServer((req, res) => {
    const left = once(res, 'close');
    client.destroy();
    left.then(() => work(req, res)).then(done.resolve, done.reject);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1', () => client.write(text));
  client.on('error', () => undefined);
  try {
    await done.promise;
  } finally {
    server.close();
  }
}

/** Of a plane, `let-in.ts` uses this alone. */
const planeWith = (pressure: FrontPlane['pressure']) => ({ pressure }) as FrontPlane;
const known: Known = {
  principal: { name: 'ana' },
  untilMs: Number.POSITIVE_INFINITY,
  credentials: { kind: 'none' },
};

describe('a client that went away before it was let in', () => {
  for (const [what, body] of [
    ['all', '{}'],
    ['half', '{'],
  ] as const)
    it(`is not waited for, and not counted for all time: ${what} of its body had come`, async () => {
      const pressure = pressureOf({});
      const text = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n${body}`;
      try {
        await afterwards(text, (req, res) =>
          admitted(req, res, 'id', planeWith(pressure), async (stay) => {
            assert.equal(stay.of('ana'), undefined);
            const read = readBody(req, 1000, (bytes) => stay.holds(bytes)).then(
              () => 'read',
              ({ code }: { code: string }) => code,
            );
            // A body of which nothing more is told is one that nobody ever stops waiting for.
            const never = new Promise((resolve) => setImmediate(() => setImmediate(resolve, 'waits')));
            assert.equal(await Promise.race([read, never]), 'BAD_MESSAGE');
          }),
        );
        assert.equal(pressure.admission.requests, 0);
      } finally {
        pressure.close();
      }
    });

  it('holds no stream, and takes no place of one', async () => {
    const pressure = pressureOf({});
    let opened = 0;
    try {
      await afterwards('GET / HTTP/1.1\r\nhost: a\r\n\r\n', async (req, res) => {
        held(req, res, 'id', known, planeWith(pressure), () => void opened++);
        await new Promise(setImmediate);
      });
      assert.equal(opened, 0);
      assert.equal(pressure.admission.streams, 0);
    } finally {
      pressure.close();
    }
  });
});
