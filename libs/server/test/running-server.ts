/** A server on free ports in front of the embedded store in a directory of its own, for the tests of this package. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { LogFields, LogLevel, RunningServer, ServerOptions } from '@cogniverse/server';
import { AccessKeys, accessKeyFile, startServer } from '@cogniverse/server';
import { openLocalStore } from '@cogniverse/telemetry-local';

export interface TestServer {
  readonly server: RunningServer;
  readonly store: TelemetryStore;
  /** Of the store. */
  readonly dataDir: string;
  readonly logged: { level: LogLevel; event: string; fields: LogFields | undefined }[];
  /** Base URL of the main port. */
  readonly url: string;
  /** The keys of its data directory: off until one is made. */
  readonly keys: AccessKeys;
  stop(): Promise<void>;
}

/** `wrap` puts something between server and store: for answers that the store gives only when it is in trouble. */
export async function startTestServer(
  options: { server?: ServerOptions; wrap?: (store: TelemetryStore) => TelemetryStore } = {},
): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'cogniverse-server-'));
  const store = await openLocalStore({ dataDir });
  const logged: TestServer['logged'] = [];
  const keyFile = accessKeyFile(dataDir);
  const server = await startServer({
    keyFile,
    store: options.wrap?.(store) ?? store,
    port: 0,
    otlpPort: 0,
    grpcPort: 0,
    logger: { log: (level, event, fields) => void logged.push({ level, event, fields }) },
    ...options.server,
  });
  return {
    server,
    store,
    logged,
    url: server.addresses.http,
    dataDir,
    keys: new AccessKeys({ file: keyFile }),
    async stop() {
      await server.close();
      await store.shutdown();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** `store` with some of its methods replaced. */
export function withMethods(store: TelemetryStore, methods: Partial<TelemetryStore>): TelemetryStore {
  return new Proxy(store, {
    get(target, key) {
      const own = Reflect.get(methods, key);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export interface SpanSketch {
  traceId?: string;
  spanId?: string;
  parentSpanId?: string;
  name?: string;
  /** Milliseconds after `BASE_MILLIS`. */
  at?: number;
  durationMillis?: number;
  status?: 0 | 1 | 2;
  attributes?: Record<string, OtlpJsonValue>;
}
export type OtlpJsonValue = Record<string, unknown>;
export const BASE_MILLIS = Date.parse('2026-03-01T12:00:00Z');

let ids = 0;
export function newId(digits: 16 | 32): string {
  ids += 1;
  return `f${ids.toString(16).padStart(digits - 1, '0')}`;
}

/** An OTLP/JSON request of one resource and one scope. */
export function tracesJson(
  spans: readonly SpanSketch[],
  resource: { project?: string; tenant?: string } = {},
): OtlpJsonValue {
  const attributes = [];
  if (resource.project !== undefined)
    attributes.push({ key: 'openinference.project.name', value: { stringValue: resource.project } });
  if (resource.tenant !== undefined) attributes.push({ key: 'tenant.id', value: { stringValue: resource.tenant } });
  return {
    resourceSpans: [
      {
        resource: { attributes },
        scopeSpans: [
          {
            scope: { name: 'test' },
            spans: spans.map((span) => {
              const start = BigInt(BASE_MILLIS + (span.at ?? 0)) * 1_000_000n;
              return {
                traceId: span.traceId ?? newId(32),
                spanId: span.spanId ?? newId(16),
                parentSpanId: span.parentSpanId ?? '',
                name: span.name ?? 'span',
                kind: 1,
                startTimeUnixNano: String(start),
                endTimeUnixNano: String(start + BigInt(span.durationMillis ?? 1) * 1_000_000n),
                attributes: Object.entries(span.attributes ?? {}).map(([key, value]) => ({ key, value })),
                status: { code: span.status ?? 0 },
              };
            }),
          },
        ],
      },
    ],
  };
}

export async function send(
  url: string,
  spans: readonly SpanSketch[],
  resource?: { project?: string; tenant?: string },
): Promise<void> {
  const response = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(tracesJson(spans, resource)),
  });
  const answer = await response.text();
  if (response.status !== 200 || answer !== '{}')
    throw new Error(`The spans were not taken: ${response.status} ${answer}`);
}

export async function getJson(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: JsonBody }> {
  const response = await fetch(url, { headers });
  return { status: response.status, body: await response.json() };
}

/** Sends raw bytes over a connection of its own and gives what came back until the server closed it or `until` was seen. */
export function rawRequest(url: string, text: string, until: RegExp = /\r\n\r\n/): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      received += chunk;
      if (until.test(received)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}

/** Parsed JSON of an answer, read by tests that know its shape. */
// biome-ignore lint/suspicious/noExplicitAny: every test states what it expects of the body.
export type JsonBody = any;
