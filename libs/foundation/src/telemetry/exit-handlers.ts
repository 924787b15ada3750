/**
 * What happens to queued spans when the process ends.   Write path: event loop empty, signal -> [exit-handlers] -> flush.
 *
 * One listener for all managers; nothing here keeps the process alive for longer than `EXIT_FLUSH_MILLIS`.
 */

const EXIT_FLUSH_MILLIS = 5000;

/** What is asked to flush. */
export interface ExitParticipant {
  /** Spans that have not reached a backend. */
  hasPendingSpans(): boolean;
  flushAtExit(timeoutMillis: number): Promise<unknown>;
  shutdown(timeoutMillis: number): Promise<void>;
}

const participants = new Set<ExitParticipant>();
/** The first time that the loop was empty: what cannot be sent within the time given is left. */
let firstExitMillis: number | undefined;

function beforeExit(): void {
  const pending = [...participants].filter((participant) => participant.hasPendingSpans());
  if (pending.length === 0) return;
  firstExitMillis ??= performance.now();
  const left = firstExitMillis + EXIT_FLUSH_MILLIS - performance.now();
  if (left <= 0) return;
  // The flush keeps the loop busy; when it is done the event comes again.
  for (const participant of pending) void participant.flushAtExit(left);
}

export function flushBeforeExit(participant: ExitParticipant): void {
  if (participants.size === 0) process.on('beforeExit', beforeExit);
  participants.add(participant);
}

export function stopFlushBeforeExit(participant: ExitParticipant): void {
  participants.delete(participant);
  if (participants.size === 0) process.off('beforeExit', beforeExit);
}

/**
 * Shuts down on SIGTERM, SIGINT and an uncaught exception, 5 s at most, then lets the process end as it would have: by the same signal,
 * or with exit code 1. Where the application listens to the signal itself, ending the process stays its own business.
 * Gives a function that removes the handlers.
 */
export function installExitHandlers(participant: ExitParticipant): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    void participant.shutdown(EXIT_FLUSH_MILLIS).finally(() => {
      remove();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  };
  const onUncaught = (error: unknown): void => {
    if (process.listenerCount('uncaughtException') > 1) return; // the application decides
    console.error('Uncaught', error);
    void participant.shutdown(EXIT_FLUSH_MILLIS).finally(() => process.exit(1));
  };
  const remove = (): void => {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
    process.off('uncaughtException', onUncaught);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('uncaughtException', onUncaught);
  return remove;
}
