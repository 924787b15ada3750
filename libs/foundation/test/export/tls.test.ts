/** TLS of both transports: verified, and never given up for plain text. */
import { selfSigned } from '@cogniverse/example-reference/self-signed';
import { encodeSampleSpan, startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';
import { otlpTarget } from '../../dist/telemetry/export/otlp-target.js';

const spanBody = encodeSampleSpan('span');
const request = Buffer.concat([
  Buffer.from([0x0a, spanBody.length + 4, 0x12, spanBody.length + 2, 0x12, spanBody.length]),
  spanBody,
]);
const localhost = [127, 0, 0, 1];
const DAY = 86_400_000;

describe.each(['http/protobuf', 'grpc'] as const)('%s over TLS', (protocol) => {
  async function attempt(certificate: ReturnType<typeof selfSigned>, trusted: boolean) {
    const backend = await startScriptedBackend({ tls: certificate });
    const endpoint = protocol === 'grpc' ? backend.grpcEndpoint : backend.httpEndpoint;
    const sender = otlpTarget({
      endpoint,
      protocol,
      headers: { authorization: 'Bearer secret' },
      certificateAuthority: trusted ? certificate.cert : undefined,
    }).createSender();
    const result = await sender.send(request, { timeoutMillis: 5000, spanCount: 1 });
    const arrived = backend.requests.length;
    await sender.close();
    await backend.close();
    return { result, arrived };
  }

  it('delivers where the certificate is trusted', async () => {
    const { result, arrived } = await attempt(selfSigned({ ip: localhost }), true);
    expect(result).toMatchObject({ status: 'sent' });
    expect(arrived).toBe(1);
  });

  it.each([
    ['of an unknown authority', selfSigned({ ip: localhost }), false],
    [
      'that has expired',
      selfSigned({ ip: localhost, notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() - DAY) }),
      true,
    ],
    ['for another host', selfSigned({ dns: 'other.example' }), true],
    ['for another address', selfSigned({ ip: [127, 0, 0, 2] }), true],
    ['for the name that stands for none', selfSigned({ dns: 'address.invalid' }), true],
  ])('sends nothing to a backend with a certificate %s', async (_name, certificate, trusted) => {
    const { result, arrived } = await attempt(certificate, trusted);
    expect(result).toMatchObject({ status: 'retryable', reason: 'tls', ambiguous: false });
    expect(arrived).toBe(0);
  });
});
