/**
 * Names the steps of the write path, of a deletion, of a compaction and of an upgrade, so that a crash test can prove where it struck.   Write path: each step calls [phase].
 *
 * `COGNIVERSE_STORE_PHASE_LOG=<file>` writes each step to the file before it begins; `COGNIVERSE_STORE_KILL_AT=<phase>:<n>` ends the
 * process with SIGKILL as the step begins for the n-th time. Without these variables a step costs one call of an empty function.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export const PHASES = [
  'append',
  'sync',
  'acknowledge',
  'insert',
  'roll',
  'flush',
  'commit',
  'checkpoint',
  'publish',
  'unlink',
  'delete_mark',
  'delete_settle',
  'delete_day',
  'delete_rows',
  'delete_day_swap',
  'delete_meta',
  'delete_meta_swap',
  'delete_damaged',
  'delete_audit',
  'delete_done',
  'compact',
  'compact_step',
  'compact_finish',
  'compact_swap',
  'compacted',
  'upgrade',
  'upgraded',
] as const;
export type Phase = (typeof PHASES)[number];

function instrumentedPhase(logFile: string | undefined, killAt: string | undefined): (name: Phase) => void {
  const [killPhase, killCount] = (killAt ?? '').split(':');
  const counts = new Map<string, number>();
  return (name) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const kill = name === killPhase && count === Number(killCount ?? '1');
    if (logFile !== undefined) {
      const file = openSync(logFile, 'a', 0o600);
      writeSync(file, `${process.pid} ${name} ${count}${kill ? ' kill' : ''}\n`);
      closeSync(file);
    }
    if (kill) process.kill(process.pid, 'SIGKILL');
  };
}

const logFile = process.env['COGNIVERSE_STORE_PHASE_LOG'];
const killAt = process.env['COGNIVERSE_STORE_KILL_AT'];

export const phase: (name: Phase) => void =
  logFile === undefined && killAt === undefined ? () => undefined : instrumentedPhase(logFile, killAt);
