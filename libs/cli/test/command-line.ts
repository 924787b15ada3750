/** Runs the built command as the child process that a shell would start, and a server of it with a few spans. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createColors } from 'picocolors';
import type { Terminal } from '../dist/format/terminal.js';
import { runCli } from '../dist/program.js';

export const MAIN = fileURLToPath(new URL('../dist/cogniverse.cjs', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of the test run, without what would change the command's behaviour. */
function cleanEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:TELEMETRY_|OTEL_|COGNIVERSE_|NO_COLOR|FORCE_COLOR|NODE_ENV|NODE_OPTIONS)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...extra };
}

export function cogniverse(
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: cleanEnvironment(options.env ?? {}),
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The same command line without a process of its own: for the many cases that one process each would only make slow. */
export async function inProcess(args: readonly string[]): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const terminal: Terminal = {
    line: (text) => {
      stdout += `${text}\n`;
    },
    note: (text) => {
      stderr += `${text}\n`;
    },
    status: () => undefined,
    isInteractive: false,
    width: 120,
    colors: createColors(false),
  };
  const code = await runCli(args, terminal);
  return { code, stdout, stderr };
}

export interface Serving {
  readonly child: ChildProcess;
  readonly addresses: { http: string; otlpHttp: string; otlpGrpc: string; pid: number; data: string };
  /** What it wrote to standard error so far. */
  log(): string;
  /** Sends a signal; resolves with how the process ended. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export async function serve(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Serving> {
  const child = spawn(process.execPath, [MAIN, 'serve', '--json', ...args], {
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const first = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve);
  });
  const line = await Promise.race([first, ended]);
  if (typeof line !== 'string') throw new Error(`cogniverse serve ended with ${line.code}: ${log}`);
  return {
    child,
    addresses: JSON.parse(line) as Serving['addresses'],
    log: () => log,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}

export const FREE_PORTS = ['--port', '0', '--otlp-port', '0', '--grpc-port', '0'];

export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'cogniverse cli '));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface SampleSpan {
  readonly tenant: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  /** Milliseconds after `base`. */
  readonly start: number;
  readonly duration: number;
  readonly error?: string;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** Sends spans as OTLP/JSON, each into the project `cogniverse-{tenant}-search`. */
export async function send(otlpHttp: string, base: Date, spans: readonly SampleSpan[], key?: string): Promise<void> {
  const text = (key: string, value: string | number) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  });
  const nanos = (millis: number) => `${base.getTime() + millis}000000`;
  const resourceSpans = spans.map((span) => ({
    resource: { attributes: [text('openinference.project.name', `cogniverse-${span.tenant}-search`)] },
    scopeSpans: [
      {
        scope: { name: 'sample' },
        spans: [
          {
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId,
            name: span.name,
            kind: 1,
            startTimeUnixNano: nanos(span.start),
            endTimeUnixNano: nanos(span.start + span.duration),
            status: span.error === undefined ? {} : { code: 2, message: span.error },
            attributes: [
              text('tenant.id', span.tenant),
              ...Object.entries(span.attributes ?? {}).map(([k, v]) => text(k, v)),
            ],
          },
        ],
      },
    ],
  }));
  const response = await fetch(otlpHttp, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ resourceSpans }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}
