/**
 * One process at a time has a data directory open.   Control path: open -> [store-lock].
 *
 * A holder in another container cannot be asked whether it lives, and one that was killed there must not keep the store closed: its lock is taken
 * over. If it does live, DuckDB's own lock of `meta.duckdb` stops the opening before anything is changed.
 */
import { FileLock, LockCandidate } from '@cogniverse/foundation/config';
import { StoreOpenError } from '@cogniverse/foundation/store';

/** Another process takes a lock over within milliseconds; a machine that is busy has it wait for a turn. */
const TAKE_OVER_MILLIS = 5_000;
const PAUSE_MILLIS = 2;

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MILLIS);
}

/** Errors: `StoreOpenError` naming the process that has the directory open. */
export function acquireStoreLock(file: string): FileLock {
  const candidate = new LockCandidate(file, { unseenHolderMillis: 0 });
  try {
    const deadline = performance.now() + TAKE_OVER_MILLIS;
    for (;;) {
      const found = candidate.tryAcquire();
      if (found instanceof FileLock) {
        found.removeAbandonedCandidates();
        return found;
      }
      const { pid, isLeftBehind } = found;
      if (!isLeftBehind) {
        throw new StoreOpenError(
          `The data directory is open in process ${pid}${pid === process.pid ? ' (this one)' : ''}. ` +
            'Only one process may have it open: read and write through that process by setting "endpoint" ' +
            '(for example http://127.0.0.1:6006), or stop it first.',
          { holderPid: pid },
        );
      }
      if (performance.now() > deadline) {
        throw new StoreOpenError(
          `The lock ${file} changes all the time. Is something else opening the store? Try again.`,
        );
      }
      pause();
    }
  } finally {
    candidate.close();
  }
}
