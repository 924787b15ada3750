/**
 * Sends a request until each of its spans has a fate: repeats, splits, gives up.   Write path: scheduler -> [retry-sender] -> http-sender, grpc-sender.
 * One per destination.
 */
import { Circuit } from './circuit.js';
import type { Clock } from './clock.js';
import { type RequestPiece, type RequestShare, splitPiece } from './export-request.js';
import type { SendResult, SpanSender } from './export-target.js';
import type { DropReason } from './ledger.js';
import { escapeControls, type PipelineLogger } from './pipeline-logger.js';
import { nextDelay, type RetryPolicy } from './retry-policy.js';

/** Messages of a backend that are remembered, so that each is logged once. */
const MAX_WARNED = 100;
/** How much longer than its deadline a sender may take before it is taken for hung. */
const HUNG_GRACE_MILLIS = 1000;

export interface RetrySenderOptions {
  readonly sender: SpanSender;
  /** What log lines call it. */
  readonly destination?: string | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: PipelineLogger;
  readonly policy: RetryPolicy;
  /** Deadline of one attempt, in milliseconds. */
  readonly exportTimeoutMillis: () => number;
}

type Outcome = Exclude<SendResult, { status: 'retryable' }> | { readonly status: 'stopped' };

/** What the pipeline's counters say about attempts, for metrics. */
export type AttemptObserver = (durationMillis: number, result: SendResult) => void;

/** What else can be done with spans that cannot be delivered: true if they have their fate, or wait elsewhere. */
export type GiveUp = (piece: RequestPiece) => Promise<boolean>;

export class RetrySender {
  readonly #sender: SpanSender;
  readonly #destination: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: PipelineLogger;
  readonly #policy: RetryPolicy;
  readonly #exportTimeoutMillis: () => number;
  readonly #circuit: Circuit;
  readonly #warned = new Set<string>();
  readonly #attempting = new Set<RequestPiece>();
  #stopped = false;
  onAttempt: AttemptObserver | undefined;
  /** An attempt failed: the destination may be one that is only probed from now on. */
  onFailure: (() => void) | undefined;

  constructor(options: RetrySenderOptions) {
    this.#sender = options.sender;
    this.#destination = options.destination ?? 'the backend';
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#policy = options.policy;
    this.#exportTimeoutMillis = options.exportTimeoutMillis;
    this.#circuit = new Circuit(options.clock);
  }

  /** The destination keeps failing: one request at a time is enough. */
  get probing(): boolean {
    return this.#circuit.open;
  }

  /**
   * Resolves when every span of the request has its fate, counted in its ledger, or after `stop()`, when what `giveUp` did not take is
   * the caller's. Never rejects. `body` may be used again afterwards, unless the result says that a sender still holds it.
   */
  async deliver(request: RequestPiece, giveUp?: GiveUp): Promise<{ bodyHeld: boolean }> {
    const pieces = [request];
    let bodyHeld = false;
    for (let piece = pieces.pop(); piece !== undefined; piece = pieces.pop()) {
      const attempts = await this.#attempts(piece);
      bodyHeld ||= attempts.bodyHeld;
      const { outcome } = attempts;
      if (this.#stopped || outcome.status === 'stopped') {
        for (const left of [piece, ...pieces.reverse()]) await giveUp?.(left);
        break;
      }
      if (outcome.status === 'splittable' && piece.spanCount > 1) {
        const [first, second] = splitPiece(piece);
        pieces.push(second, first);
      } else if (outcome.status === 'sent') {
        if (outcome.message !== '') this.#warnOnce(`${this.#destination} says: ${outcome.message}`);
        countSent(piece, outcome.rejectedSpans);
      } else {
        const undelivered = outcome.reason === 'max_elapsed' || outcome.reason === 'tls';
        if (undelivered && (await giveUp?.(piece)) === true) continue;
        if (this.#stopped) break; // meanwhile: the caller's
        this.#warnOnce(
          `${this.#destination} took no spans (${outcome.reason}), which are dropped: ${outcome.error.message}`,
        );
        countDropped(piece, outcome.reason);
      }
    }
    return { bodyHeld };
  }

  async #attempts(piece: RequestPiece): Promise<{ outcome: Outcome; bodyHeld: boolean }> {
    const start = this.#clock.monotonicMillis();
    const deadline = start + this.#policy.maxElapsedMillis;
    let lastReason: DropReason = 'max_elapsed';
    let lastError = new Error('the backend was not reachable in time');
    let failures = 0;
    let freshConnection = false;
    let bodyHeld = false;
    for (;;) {
      if (!(await this.#circuit.enter(deadline, () => this.#stopped))) {
        const outcome: Outcome = this.#stopped
          ? { status: 'stopped' }
          : { status: 'failed', reason: lastReason, error: lastError };
        return { outcome, bodyHeld };
      }
      const { result, hung } = await this.#attempt(piece);
      bodyHeld ||= hung;
      if (this.#stopped) return { outcome: { status: 'stopped' }, bodyHeld };
      if (result.status !== 'retryable') {
        this.#circuit.succeeded();
        return { outcome: result, bodyHeld };
      }
      if (result.ambiguous) markAmbiguous(piece);
      if (result.staleConnection === true && !freshConnection) {
        freshConnection = true;
        this.#circuit.left();
        continue;
      }
      freshConnection = false;
      failures += 1;
      lastError = result.error;
      if (result.reason === 'tls') lastReason = 'tls';
      const elapsedMillis = this.#clock.monotonicMillis() - start;
      const state = { elapsedMillis, hintMillis: result.afterMillis, random: this.#random() };
      const delay = nextDelay({ ...state, failures: Math.max(failures, this.#circuit.failures + 1) }, this.#policy);
      this.#warnOnce(`export to ${this.#destination} is repeated: ${result.error.message}`);
      this.#circuit.failed(delay ?? 0);
      this.onFailure?.();
      if (delay === null) return { outcome: { status: 'failed', reason: lastReason, error: lastError }, bodyHeld };
      await this.#sleepUntil(this.#clock.monotonicMillis() + delay);
    }
  }

  /** One attempt, fenced: whatever a sender does, there is a result in time. */
  async #attempt(piece: RequestPiece): Promise<{ result: SendResult; hung: boolean }> {
    const timeoutMillis = this.#exportTimeoutMillis();
    const begun = this.#clock.monotonicMillis();
    this.#attempting.add(piece);
    let hung = false;
    const result = await new Promise<SendResult>((resolve) => {
      const guard = this.#clock.schedule(timeoutMillis + HUNG_GRACE_MILLIS, () => {
        hung = true;
        const error = new Error(`no result ${HUNG_GRACE_MILLIS} ms after the deadline`);
        resolve({ status: 'retryable', reason: 'max_elapsed', error, ambiguous: true });
      });
      const finish = (sent: SendResult): void => {
        guard.cancel();
        resolve(sent);
      };
      const fail = (error: unknown): void =>
        finish({ status: 'retryable', reason: 'max_elapsed', error: asError(error), ambiguous: true });
      try {
        this.#sender.send(piece.body, { timeoutMillis, spanCount: piece.spanCount }).then(finish, fail);
      } catch (error) {
        fail(error);
      }
    });
    this.#attempting.delete(piece);
    this.onAttempt?.(this.#clock.monotonicMillis() - begun, result);
    return { result, hung };
  }

  async #sleepUntil(time: number): Promise<void> {
    for (let left = time - this.#clock.monotonicMillis(); left > 0 && !this.#stopped; ) {
      await this.#circuit.sleep(left);
      left = time - this.#clock.monotonicMillis();
    }
  }

  #warnOnce(message: string): void {
    const text = escapeControls(message);
    if (this.#warned.has(text) || this.#warned.size >= MAX_WARNED) return;
    this.#warned.add(text);
    this.#logger.warn(text);
  }

  /** No attempt begins any more; what is under way is cut off. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const piece of this.#attempting) markAmbiguous(piece); // it may just be arriving
    this.#circuit.stop();
    try {
      await this.#sender.close();
    } catch (error) {
      this.#logger.warn(`closing the connections failed: ${asError(error).message}`);
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function settleShare(share: RequestShare, count: number, lost: number): void {
  share.open -= count;
  share.lost += lost;
  share.ledger.inFlight -= count;
}

/**
 * Which spans a partial success refused, OTLP does not say: they are shared out by the number of spans, largest remainder first, so
 * that their sum is exact.
 */
function countSent(piece: RequestPiece, rejectedSpans: number): void {
  const rejected = Math.min(Math.max(Math.trunc(rejectedSpans) || 0, 0), piece.spanCount);
  if (rejected === 0) {
    for (const { share, count } of piece.counts) {
      share.ledger.exported += count;
      settleShare(share, count, 0);
    }
    return;
  }
  const shares = piece.counts.map(({ share, count }) => {
    const exact = (rejected * count) / piece.spanCount;
    return { share, count, rejected: Math.floor(exact), remainder: exact - Math.floor(exact) };
  });
  let left = rejected - shares.reduce((sum, { rejected: whole }) => sum + whole, 0);
  for (const one of [...shares].sort((a, b) => b.remainder - a.remainder)) {
    if (left === 0) break;
    one.rejected += 1;
    left -= 1;
  }
  for (const { share, count, rejected: refused } of shares) {
    share.ledger.exported += count - refused;
    share.ledger.rejected += refused;
    settleShare(share, count, refused);
  }
}

function countDropped(piece: RequestPiece, reason: DropReason): void {
  for (const { share, count } of piece.counts) {
    settleShare(share, count, count);
    share.ledger.countDropped(reason, count);
  }
}

function markAmbiguous(piece: RequestPiece): void {
  if (piece.ambiguous) return;
  piece.ambiguous = true;
  for (const { share, count } of piece.counts) share.ledger.ambiguous += count;
}
