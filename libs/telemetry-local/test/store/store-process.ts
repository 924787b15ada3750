/** Runs `fixtures/store-process.mjs` and keeps the account of what it acknowledged. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import type { IngestResult, StoredSpan, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { OpenLocalStoreOptions } from '@cogniverse/telemetry-local';
import { onTestFinished } from 'vitest';
import { type AtEnd, request } from './store-fixture.js';

const PROGRAM = fileURLToPath(new URL('./fixtures/store-process.mjs', import.meta.url));

export class StoreProcess {
  readonly child: ChildProcess;
  /** Settles when the process is gone. */
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Spans of requests that were answered with `stored`, by id. */
  readonly acknowledged = new Map<string, OtlpSpan>();
  /** All spans that were sent. */
  readonly sent = new Map<string, OtlpSpan>();
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #nextId = 0;
  #gone = false;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    this.exit.then(() => {
      this.#gone = true;
      for (const resolve of this.#waiting.values()) resolve(undefined);
    });
    child.on('error', () => child.kill('SIGKILL'));
    child.on('message', ({ id, result }: { id: number; result: unknown }) => this.#waiting.get(id)?.(result));
  }

  /** Errors: `Error` with the signal or exit code, if the process ends before its store is open. */
  static async start(
    options: OpenLocalStoreOptions,
    env: Record<string, string> = {},
    atEnd: AtEnd = onTestFinished,
  ): Promise<StoreProcess> {
    const child = fork(PROGRAM, [JSON.stringify(options)], {
      env: { ...process.env, ...env },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    atEnd(() => {
      child.kill('SIGKILL');
    });
    const started = new StoreProcess(child);
    const ended = started.exit.then(({ code, signal }) => {
      throw new Error(`the process ended before its store was open: ${signal ?? code}`);
    });
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => undefined); // from here on its end is what tests look for
    return started;
  }

  /** Calls a method of the store. Undefined when the process died before it answered. */
  async call(method: keyof TelemetryStore, argument: object): Promise<unknown> {
    if (this.#gone) return undefined;
    const id = this.#nextId++;
    const result = await new Promise<unknown>((resolve) => {
      this.#waiting.set(id, resolve);
      this.child.send({ id, call: method, request: argument }, (error) => {
        if (error !== null) resolve(undefined);
      });
    });
    this.#waiting.delete(id);
    return result;
  }

  /** Undefined when the process died before it answered. */
  async ingest(spans: OtlpSpan[]): Promise<IngestResult | undefined> {
    for (const span of spans) this.sent.set(span.spanId, span);
    const result = (await this.call('ingest', request(spans))) as IngestResult | undefined;
    if (result?.status === 'stored') for (const span of spans) this.acknowledged.set(span.spanId, span);
    return result;
  }
}

/** What is wrong with what a store gives back: `[]` if every acknowledged span is there exactly once, and nothing was altered or made up. */
export function audit(
  account: { acknowledged: ReadonlyMap<string, OtlpSpan>; sent: ReadonlyMap<string, OtlpSpan> },
  found: readonly StoredSpan[],
  isEqual: (a: OtlpSpan, b: OtlpSpan) => boolean,
): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const { span } of found) {
    if (seen.has(span.spanId)) problems.push(`duplicate ${span.spanId}`);
    seen.add(span.spanId);
    const sent = account.sent.get(span.spanId);
    if (sent === undefined) problems.push(`unknown ${span.spanId}`);
    else if (!isEqual(sent, span)) problems.push(`altered ${span.spanId}`);
  }
  for (const id of account.acknowledged.keys()) if (!seen.has(id)) problems.push(`missing ${id}`);
  return problems;
}
