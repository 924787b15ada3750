/**
 * Gives memory back when a thread has nothing to do.   Beside the read and the write path: store worker, `cogniverse serve`.
 *
 * V8 lets its space for young objects grow under load (at the start, too: modules are loaded), and makes it smaller only in a collection after a quiet time; a thread that
 * is idle allocates nothing, so that collection never comes. Here it is asked for, once after each time of work.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** V8 calls a time quiet when little was allocated for about this long. */
const WINDOW_MILLIS = 5000;
/** Shares of a window that the thread's event loop was busy. */
const BUSY = 0.1;
const IDLE = 0.02;

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc'); // what else runs in this process keeps the globals that it had
  return collect;
}

/** Collects the garbage of this thread whenever it has become idle; keeps no process alive. Gives what ends that. */
export function collectWhenIdle(): () => void {
  let hasWorked = true;
  let before = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    if (utilization > BUSY) hasWorked = true;
    else if (hasWorked && utilization < IDLE) {
      hasWorked = false;
      collector()();
    }
  }, WINDOW_MILLIS);
  timer.unref();
  return () => clearInterval(timer);
}
