/**
 * Spans into the embedded store without a network.   Write path: scheduler -> [local-export] -> store.
 */
import type { AnyValue } from '@cogniverse/foundation/otlp';
import type {
  ExportTarget,
  IngestResult,
  SendOptions,
  SendResult,
  SpanSender,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { StoreLease } from './stores/store-leases.js';

/** One target a project; all projects of one data directory share a sender. */
export function localExportTarget(options: {
  acquire: () => StoreLease;
  dataDir: string;
  projectName: string;
}): ExportTarget {
  const { acquire, dataDir, projectName } = options;
  return {
    key: `local:${dataDir}`,
    resourceAttributes: new Map<string, AnyValue>([['openinference.project.name', projectName]]),
    createSender: () => new LocalSender(acquire, dataDir),
  };
}

class LocalSender implements SpanSender {
  readonly #acquire: () => StoreLease;
  readonly #dataDir: string;
  #lease: StoreLease | undefined;
  #closed = false;

  constructor(acquire: () => StoreLease, dataDir: string) {
    this.#acquire = acquire;
    this.#dataDir = dataDir;
  }

  async send(body: Uint8Array, options: SendOptions): Promise<SendResult> {
    if (this.#closed)
      return { status: 'failed', reason: 'already_shutdown', error: new Error('The sender is closed.') };
    // The store keeps what it is given, the pipeline reuses what it gave. (`slice` of a Buffer would be no copy.)
    const copy = new Uint8Array(body);
    let store: TelemetryStore;
    try {
      this.#lease ??= this.#acquire();
      store = await this.#lease.store;
    } catch (error) {
      // The lock of another process may go, and a disk may come back: the pipeline's clock decides for how long to try.
      await this.#letGo();
      return { status: 'retryable', reason: 'max_elapsed', error: error as Error, ambiguous: false };
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, options.timeoutMillis, 'late');
    });
    try {
      const result = await Promise.race([store.ingest({ body: copy, format: 'protobuf' }), late]);
      if (result !== 'late') return sendResult(result);
      const error = new Error(`The store in ${this.#dataDir} did not answer within ${options.timeoutMillis} ms.`);
      return { status: 'retryable', reason: 'max_elapsed', error, ambiguous: true };
    } catch (error) {
      return { status: 'retryable', reason: 'max_elapsed', error: error as Error, ambiguous: true };
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.release();
  }
}

function sendResult(result: IngestResult): SendResult {
  switch (result.status) {
    case 'stored':
      return { status: 'sent', rejectedSpans: result.rejectedSpans, message: result.message };
    case 'invalid':
      return { status: 'splittable', reason: 'invalid', error: new Error(result.message) };
    case 'overloaded':
    case 'unavailable':
      return {
        status: 'retryable',
        reason: 'max_elapsed',
        error: new Error(result.message),
        afterMillis: result.retryAfterMillis,
        ambiguous: false,
      };
  }
}
