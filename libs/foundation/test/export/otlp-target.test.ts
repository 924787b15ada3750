/** Where an endpoint is, and by which transport. */
import { describe, expect, it } from 'vitest';
import { type OtlpProtocol, otlpTarget, resolveOtlpEndpoint } from '../../dist/telemetry/export/otlp-target.js';

describe('an OTLP endpoint', () => {
  it.each<[string, OtlpProtocol | undefined, boolean | undefined, string]>([
    ['localhost:4317', 'auto', undefined, 'grpc http://localhost:4317/'],
    ['http://host:24317', undefined, undefined, 'grpc http://host:24317/'],
    ['localhost:4318', 'auto', undefined, 'http/protobuf http://localhost:4318/v1/traces'],
    ['http://localhost:6006', 'auto', undefined, 'http/protobuf http://localhost:6006/v1/traces'],
    ['http://host:9999/custom/path', 'auto', undefined, 'http/protobuf http://host:9999/custom/path'],
    ['https://host/v1/traces', 'auto', undefined, 'http/protobuf https://host/v1/traces'],
    ['https://collector.example:4317', 'auto', undefined, 'grpc https://collector.example:4317/'],
    ['collector.example:4317', 'auto', true, 'grpc https://collector.example:4317/'],
    ['http://localhost:4317', 'http/protobuf', undefined, 'http/protobuf http://localhost:4317/v1/traces'],
    ['http://localhost:4318', 'grpc', undefined, 'grpc http://localhost:4318/'],
    ['[::1]:4318', 'auto', false, 'http/protobuf http://[::1]:4318/v1/traces'],
    ['http://localhost:4318/', 'auto', undefined, 'http/protobuf http://localhost:4318/v1/traces'],
  ])('%s with protocol %s and TLS %s is %s', (endpoint, protocol, useTls, expected) => {
    const resolved = resolveOtlpEndpoint({ endpoint, protocol, useTls });
    expect(`${resolved.protocol} ${resolved.url.href}`).toBe(expected);
  });

  it.each<[string, OtlpProtocol | undefined, boolean | undefined, RegExp]>([
    ['https://host:4317', 'auto', false, /otlp_use_tls is false/],
    ['http://host:4317', 'auto', true, /otlp_use_tls is true/],
    ['ftp://host', 'auto', undefined, /scheme must be http or https/],
    ['', 'auto', undefined, /no address/],
    ['http://user:pass@host:4318', 'auto', undefined, /credentials as headers/],
    ['http://host/v1/traces', 'grpc', undefined, /gRPC takes no path/],
    ['http://host', 'smoke' as OtlpProtocol, undefined, /otlp_protocol is "smoke"/],
  ])('%s with protocol %s and TLS %s is refused', (endpoint, protocol, useTls, message) => {
    expect(() => resolveOtlpEndpoint({ endpoint, protocol, useTls })).toThrow(message);
  });
});

describe('an OTLP target', () => {
  it('shares its key with those of equal destination and credentials, and with no others, and shows no credential', () => {
    const key = (headers: Record<string, string>, endpoint = 'https://host:4318') =>
      otlpTarget({ endpoint, headers }).key;
    expect(key({ Authorization: 'a', 'X-B': 'c' })).toBe(key({ 'x-b': 'c', authorization: 'a' }));
    expect(key({ authorization: 'secret' })).not.toBe(key({ authorization: 'other' }));
    expect(key({})).not.toBe(key({}, 'https://other:4318'));
    expect(key({ authorization: 'secret' })).not.toContain('secret');
  });

  it('refuses headers that HTTP forbids, without showing their value', () => {
    for (const headers of [{ 'bad name': 'secret' }, { good: 'secret\r\nx-evil: 1' }]) {
      expect(() => otlpTarget({ endpoint: 'http://host:4318', headers })).toThrow(/otlp header .* cannot be sent/);
      try {
        otlpTarget({ endpoint: 'http://host:4318', headers });
      } catch (error) {
        expect((error as Error).message).not.toContain('secret');
      }
    }
  });
});
