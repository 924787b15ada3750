/** Where an OTLP endpoint is, and by which transport.   Write path: the usual [export target]. */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AnyValue } from '../../otlp/model.js';
import { ConfigurationError } from '../errors.js';
import type { Clock } from './clock.js';
import type { ExportTarget, SpanSender } from './export-target.js';
import { GrpcSender } from './grpc-sender.js';
import { HttpSender } from './http-sender.js';
import { requireEncryptedCredentials } from './plain-credentials.js';

export type OtlpProtocol = 'grpc' | 'http/protobuf' | 'auto';

export interface OtlpTargetOptions {
  /** `host:port`, `http://host:port` or `https://host/path`. */
  readonly endpoint: string;
  /** `auto` (default): an endpoint with a path, or on port 4318 or 6006, is HTTP; any other is gRPC. */
  readonly protocol?: OtlpProtocol | undefined;
  /**
   * Default: what the endpoint's scheme says, else false. `false` contradicts `https://`, `true` contradicts `http://`. Credentials go to
   * another host unencrypted only where this is `false` in so many words.
   */
  readonly useTls?: boolean | undefined;
  /** Sent with each request: credentials, for instance. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly compression?: 'none' | 'gzip' | undefined;
  /** Added to the resource of every span. */
  readonly resourceAttributes?: ReadonlyMap<string, AnyValue> | undefined;
  readonly maxRequestBytes?: number | undefined;
  readonly maxSpanBytes?: number | undefined;
  /** Connections at once. Default 4. */
  readonly maxConnections?: number | undefined;
  /** Certificate authorities to trust instead of the system's, as PEM. */
  readonly certificateAuthority?: string | undefined;
  readonly clock?: Clock | undefined;
}

export interface OtlpEndpoint {
  readonly protocol: 'grpc' | 'http/protobuf';
  /** With scheme, host and port; for HTTP with the path of the trace service. */
  readonly url: URL;
}

const HTTP_PORTS = ['4318', '6006'];

/** Settles transport, TLS and address. Throws `ConfigurationError` where they contradict each other. */
export function resolveOtlpEndpoint(
  options: Pick<OtlpTargetOptions, 'endpoint' | 'protocol' | 'useTls'>,
): OtlpEndpoint {
  const text = options.endpoint.trim();
  const { useTls } = options;
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const withScheme = hasScheme ? text : `${useTls === true ? 'https' : 'http'}://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch (cause) {
    throw new ConfigurationError(
      `otlp_endpoint is ${quote(text)}, which is no address. Give "host:port" or "http(s)://host:port/path".`,
      {
        cause,
      },
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ConfigurationError(`otlp_endpoint is ${quote(text)}: its scheme must be http or https.`);
  }
  if (url.hostname === '') throw new ConfigurationError(`otlp_endpoint is ${quote(text)}, which names no host.`);
  if (url.username !== '' || url.password !== '') {
    throw new ConfigurationError('otlp_endpoint holds a user name or password. Give credentials as headers instead.');
  }
  if (hasScheme && url.protocol === 'https:' && useTls === false) {
    throw new ConfigurationError(
      `otlp_endpoint is ${quote(text)}, but otlp_use_tls is false. Use http://, or set otlp_use_tls to true.`,
    );
  }
  if (hasScheme && url.protocol === 'http:' && useTls === true) {
    throw new ConfigurationError(
      `otlp_endpoint is ${quote(text)}, but otlp_use_tls is true. Use https://, or set otlp_use_tls to false.`,
    );
  }
  const hasPath = url.pathname !== '/' && url.pathname !== '';
  const asked = options.protocol ?? 'auto';
  if (asked !== 'auto' && asked !== 'grpc' && asked !== 'http/protobuf') {
    throw new ConfigurationError(`otlp_protocol is ${quote(String(asked))}. Give "grpc", "http/protobuf" or "auto".`);
  }
  const protocol = asked !== 'auto' ? asked : hasPath || HTTP_PORTS.includes(url.port) ? 'http/protobuf' : 'grpc';
  if (protocol === 'http/protobuf' && !hasPath) url.pathname = '/v1/traces';
  if (protocol === 'grpc' && hasPath) {
    throw new ConfigurationError(
      `otlp_endpoint is ${quote(text)}, but gRPC takes no path. Leave the path out, or set otlp_protocol to "http/protobuf".`,
    );
  }
  return { protocol, url };
}

/** An OTLP backend as the end of the write path. Throws `ConfigurationError` for what cannot work. */
export function otlpTarget(options: OtlpTargetOptions): ExportTarget {
  const { protocol, url } = resolveOtlpEndpoint(options);
  const headers = checkedHeaders(options.headers ?? {});
  requireEncryptedCredentials(url, Object.keys(headers), {
    asked: options.useTls === false,
    remedy: 'set otlp_use_tls to false to send it all the same',
  });
  const compression = options.compression ?? 'none';
  if (compression !== 'none' && compression !== 'gzip') {
    throw new ConfigurationError(`otlp compression is ${quote(String(compression))}. Give "none" or "gzip".`);
  }
  const { maxConnections, certificateAuthority, clock } = options;
  // Hashed, because it holds credentials, and keys end up in logs.
  const identity = JSON.stringify([headers, compression, certificateAuthority, options.maxRequestBytes]);
  const key = `${protocol} ${url.href} ${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
  return {
    key,
    label: protocol === 'grpc' ? `${url.host} over gRPC` : `${url.origin}${url.pathname}`,
    resourceAttributes: options.resourceAttributes ?? new Map(),
    maxRequestBytes: options.maxRequestBytes,
    maxSpanBytes: options.maxSpanBytes,
    createSender(): SpanSender {
      return protocol === 'grpc'
        ? new GrpcSender({ url, headers, compression, certificateAuthority, clock })
        : new HttpSender({ url, headers, compression, maxConnections, certificateAuthority, clock });
    },
  };
}

function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const name of Object.keys(headers).sort()) {
    try {
      http.validateHeaderName(name);
      http.validateHeaderValue(name, headers[name] as string);
    } catch (cause) {
      // The value stays out of the message: it may be a credential.
      throw new ConfigurationError(
        `otlp header ${quote(name)} cannot be sent: its name or value has characters that HTTP forbids.`,
        {
          cause,
        },
      );
    }
    checked[name.toLowerCase()] = headers[name] as string;
  }
  return checked;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
