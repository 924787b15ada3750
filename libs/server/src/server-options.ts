/**
 * Every option of the server, once: meaning, unit, limit, default.   Control path: caller -> [server-options] -> startServer.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ConfigurationError } from '@cogniverse/foundation/store';
import { z } from 'zod';
import { AccessKeys } from './auth/access-keys.js';
import { isCidr } from './trusted-proxies.js';

const port = z.int().min(0).max(65_535);
const millis = z
  .int()
  .positive()
  .max(2 ** 31 - 1);
const bytes = z.int().positive();

const MIB = 1024 * 1024;

/** Each limit with its meaning and unit, from which the documentation is written too. */
export const limitsSchema = z.strictObject({
  maxWireBytes: bytes
    .default(16 * MIB)
    .meta({ unit: 'bytes', meaning: 'Largest request as it travels: HTTP body or gRPC message.' }),
  maxDecodedBytes: bytes.default(64 * MIB).meta({ unit: 'bytes', meaning: 'Largest request after decompression.' }),
  maxBytesInFlight: bytes.default(96 * MIB).meta({
    unit: 'bytes',
    meaning:
      'All requests held at once, decompressed, until the store answered. Beyond it a request is told to come again (503).',
  }),
  headersTimeoutMillis: millis
    .default(10_000)
    .meta({ unit: 'ms', meaning: 'Time for the headers of an HTTP request.' }),
  requestTimeoutMillis: millis.default(30_000).meta({ unit: 'ms', meaning: 'Time for a whole request to arrive.' }),
  maxConnections: z
    .int()
    .positive()
    .default(1024)
    .meta({ meaning: 'Open connections a port; one more is closed at once.' }),
  maxConcurrentStreams: z.int().positive().default(100).meta({ meaning: 'Requests under way on one gRPC connection.' }),
  maxTenantsInLedger: z.int().positive().default(1000).meta({
    meaning: 'Tenants with figures of their own on `/metrics`; all further ones are counted together.',
  }),
  shutdownTimeoutMillis: millis
    .default(10_000)
    .meta({ unit: 'ms', meaning: 'What the end of the server grants the requests under way.' }),
});

export const serverOptionsSchema = z.strictObject({
  /** Address to listen on. One that other machines can reach needs access keys. */
  host: z.string().min(1).default('127.0.0.1'),
  /** Main HTTP port: OTLP in, read API, health, metrics. 0 takes any free port. */
  port: port.default(6006),
  /** OTLP over HTTP only. 0 takes any free port. */
  otlpPort: port.default(4318),
  /** OTLP over gRPC. 0 takes any free port. */
  grpcPort: port.default(4317),
  /** Names accepted in `Host` and `:authority` beside the loopback names, without port. */
  allowedHosts: z.array(z.string().min(1)).default([]),
  /** Addresses of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, as CIDR. */
  trustProxy: z.array(z.string().refine(isCidr, 'must be an address with a prefix, such as 10.0.0.0/8')).default([]),
  /** Log a line for each request. */
  logRequests: z.boolean().default(false),
  /** File of access keys, as `accessKeyFile(dataDir)` names it. Once it holds a key, nobody gets in without one. Not given: no keys. */
  keyFile: z.string().min(1).optional(),
  /** PEM texts; all three listeners then speak TLS 1.2 or newer. */
  tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
  limits: limitsSchema.default(() => limitsSchema.parse({})),
});

/** What code reads: everything set. */
export type ServerSettings = z.output<typeof serverOptionsSchema>;
export type ServerLimits = ServerSettings['limits'];
/** What a caller writes: everything optional. */
export type ServerOptions = z.input<typeof serverOptionsSchema>;

const LOOPBACK_IPV4 = /^127\.(?:\d{1,3})\.(?:\d{1,3})\.(?:\d{1,3})$/;

/** Whether a name or address, without brackets and port, is this machine's own. `127.0.0.1.evil.test` is not. */
export function isLoopbackName(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === 'localhost' || lower === '::1' || LOOPBACK_IPV4.test(lower);
}

/**
 * Checks all options, and that the key file can be used.
 *
 * Errors: `ConfigurationError` naming field, value and remedy. Key material is never in the text.
 */
export function parseServerOptions(options: ServerOptions): ServerSettings {
  const parsed = serverOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : 'options');
    const value = field.startsWith('tls') ? '' : ` is ${describeValue(valueAt(options, issue.path))}`;
    throw new ConfigurationError(
      `Server option "${field}"${value}: ${issue.message}. Correct it, or leave it out for the default.`,
    );
  }
  const settings = parsed.data;
  checkKeys(settings);
  if (settings.tls !== undefined) checkTls(settings.tls);
  return settings;
}

/** Whoever can reach the server has to be told apart. */
function checkKeys({ host, keyFile }: ServerSettings): void {
  const keys = keyFile === undefined ? undefined : new AccessKeys({ file: keyFile });
  keys?.checkMode();
  if (keys?.hasUsable() === true || isLoopbackName(host)) return;
  throw new ConfigurationError(
    `Server option "host" (--host) is "${host}", which other machines can reach, and there is no access key that could be used. ` +
      'Make one with "cogniverse keys create --data DIR", or use "127.0.0.1", "localhost" or "::1".',
  );
}

/** Errors: `ConfigurationError` naming option and remedy; nothing of the texts. */
export function checkTls({ cert, key }: { cert: string; key: string }): void {
  const certificate = usable(() => new X509Certificate(cert), {
    problem: 'Server option "tls.cert" (--tls-cert) holds no certificate that can be used',
    remedy: 'Give a PEM certificate.',
  });
  const privateKey = usable(() => createPrivateKey(key), {
    problem: 'Server option "tls.key" (--tls-key) holds no private key that can be used',
    remedy: 'Give a PEM private key without a passphrase.',
  });
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new ConfigurationError(
      'Server option "tls.key" (--tls-key) holds the key of another certificate than "tls.cert" (--tls-cert). ' +
        'Give the key that the certificate was made for; of several certificates in a file its own comes first.',
    );
  }
}

function usable<T>(read: () => T, { problem, remedy }: { problem: string; remedy: string }): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigurationError(`${problem} (${(error as Error).message}). ${remedy}`, { cause: error });
  }
}

function valueAt(options: unknown, path: readonly PropertyKey[]): unknown {
  let value = options;
  for (const key of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}

function describeValue(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
