/** What a proxy in front says is believed where it is trusted, and nowhere else. */
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { isCidr, TrustedProxies } from '../dist/trusted-proxies.js';
import { startTestServer } from './running-server.js';

const proxies = new TrustedProxies(['10.0.0.0/8', 'fd00::/8']);
const from = (remoteAddress: string, headers: Record<string, string>) =>
  proxies.of({ socket: { remoteAddress }, headers } as unknown as IncomingMessage);

it.each([
  ['10.1.2.3', { 'x-forwarded-for': '203.0.113.7' }, '203.0.113.7'],
  ['::ffff:10.1.2.3', { 'x-forwarded-for': '1.1.1.1, 203.0.113.7, 10.9.9.9' }, '203.0.113.7'],
  ['fd00::1', { 'x-forwarded-for': '2001:db8::7' }, '2001:db8::7'],
  ['10.1.2.3', { 'x-forwarded-for': 'nonsense' }, '10.1.2.3'],
  ['10.1.2.3', {}, '10.1.2.3'],
  [
    '192.0.2.1',
    { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a' },
    '192.0.2.1',
  ],
])('the client of a request from %s with %j is %s', (peer, headers, client) => {
  expect(from(peer, headers)).toMatchObject({ client });
  expect(from(peer, headers).host === undefined || peer.startsWith('10.')).toBe(true);
});

it('takes scheme and host from a trusted proxy alone', () => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'telemetry.example' };
  expect(from('10.0.0.1', headers)).toMatchObject({ encrypted: true, host: 'telemetry.example' });
  expect(from('11.0.0.1', headers)).toMatchObject({ encrypted: false, host: undefined });
});

it.each(['10.0.0.0/8', '::1/128', '127.0.0.1/32'])('%s is an address with a prefix', (text) => {
  expect(isCidr(text)).toBe(true);
});

it.each(['10.0.0.1', '10.0.0.0/33', 'fd00::/129', 'localhost/8', '', '/8'])(
  '%j is none, and the option refuses it',
  async (text) => {
    expect(isCidr(text)).toBe(false);
    await expect(startTestServer({ server: { trustProxy: [text] } })).rejects.toThrow('such as 10.0.0.0/8');
  },
);

it('a page of the proxy is of the own origin, and a foreign name behind the proxy is refused', async () => {
  const running = await startTestServer({
    server: { trustProxy: ['127.0.0.0/8'], allowedHosts: ['telemetry.example'] },
  });
  const ask = async (host: string, origin: string) =>
    (
      await fetch(`${running.url}/v1/projects`, {
        headers: { 'x-forwarded-host': host, 'x-forwarded-proto': 'https', origin },
      })
    ).status;
  expect(await ask('telemetry.example', 'https://telemetry.example')).toBe(200);
  expect(await ask('telemetry.example', 'http://telemetry.example')).toBe(403);
  expect(await ask('evil.test', 'https://evil.test')).toBe(403);
  await running.stop();
});
