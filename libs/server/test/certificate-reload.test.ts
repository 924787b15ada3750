/** A new certificate is taken into use without a restart. */
import { connect } from 'node:tls';
import { selfSigned } from '@cogniverse/example-reference/self-signed';
import { expect, it } from 'vitest';
import { startTestServer } from './running-server.js';

/** Fingerprint of what a port shows to a connection that begins now. */
function fingerprint(address: string): Promise<string> {
  const { port } = new URL(address.replace(/^(?!http)/, 'https://'));
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(port),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
  });
}

it('is shown on all three ports from the next connection on; one that cannot be used changes nothing', async () => {
  const [before, after] = [selfSigned({ ip: [127, 0, 0, 1] }), selfSigned({ ip: [127, 0, 0, 1] })];
  const running = await startTestServer({ server: { tls: { cert: before.cert, key: before.key } } });
  const shown = async () => Promise.all(Object.values(running.server.addresses).map(fingerprint));
  const first = await shown();
  expect(new Set(first).size).toBe(1);
  running.server.useCertificate({ cert: after.cert, key: after.key });
  const second = await shown();
  expect(new Set(second).size).toBe(1);
  expect(second[0]).not.toBe(first[0]);
  expect(() => running.server.useCertificate({ cert: before.cert, key: after.key })).toThrow('another certificate');
  expect(await shown()).toEqual(second);
  await running.stop();
});
