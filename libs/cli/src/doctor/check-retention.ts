/** Whether the disk has room for what the retention keeps, at the rate of the last days. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { TelemetryError } from '@cogniverse/foundation/store';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { count } from '../format/text.js';
import type { AccessOptions } from '../options.js';
import { isLoopback } from './check-endpoint.js';
import { type Finding, ok, warning } from './finding.js';

const CHECK = 'retention';
const MEBIBYTE = 1024 * 1024;
/** Whole days that the rate is judged by. */
const DAYS_JUDGED = 7;
/** A disk that is full sooner than this leaves little time to do something. */
const NEAR_DAYS = 30;
const TIMEOUT_MILLIS = 5000;

type Access = Pick<AccessOptions, 'apiKey' | 'plainHttp'>;

export interface Keeping {
  /** Of the project that keeps its spans longest; 0: for ever; undefined: not known. */
  readonly days: number | undefined;
  /** Bytes of the files of each UTC day, as `2026-01-31`. */
  readonly bytesByDay: ReadonlyMap<string, number>;
  readonly freeBytes: number;
  readonly now: Date;
}

/** Judges nothing by less than two whole days: the first ones say little of those to come. */
export function judgeRetention({ days, bytesByDay, freeBytes, now }: Keeping): Finding[] {
  const today = now.toISOString().slice(0, 10);
  const whole = [...bytesByDay].filter(([day]) => day < today).sort(([a], [b]) => (a < b ? 1 : -1));
  if (days === undefined || whole.length < 2) return [];
  const judged = whole.slice(0, DAYS_JUDGED);
  // Days without a span count too: a week of which two days were busy is not a week of busy days.
  const span = Math.round((Date.parse(today) - Date.parse(judged.at(-1)![0])) / 86_400_000);
  const daily = judged.reduce((sum, [, bytes]) => sum + bytes, 0) / span;
  const rate = `${mebibytes(daily)} a day, as in the last ${count(span, 'day')}`;
  const untilFull = Math.floor(freeBytes / daily);
  if (days === 0) {
    if (untilFull >= NEAR_DAYS)
      return [ok(CHECK, `Spans are kept for ever; at ${rate}, there is room for ${count(untilFull, 'day')}.`)];
    return [
      warning(
        'retention_missing',
        `Spans are kept for ever, and at ${rate}, the disk is full in ${count(untilFull, 'day')}.`,
        'Give `cogniverse serve` a --retention-days, or the data directory a larger disk.',
      ),
    ];
  }
  const held = [...bytesByDay.values()].reduce((sum, bytes) => sum + bytes, 0);
  const most = daily * days;
  if (most - held <= freeBytes) {
    return [ok(CHECK, `${count(days, 'day')} of spans take ${mebibytes(most)} at ${rate}; there is room for them.`)];
  }
  const fitting = Math.max(1, Math.floor((held + freeBytes) / daily));
  return [
    warning(
      'retention_too_long',
      `${count(days, 'day')} of spans take ${mebibytes(most)} at ${rate}; the disk has room for ${count(fitting, 'day')}.`,
      `Shorten the retention to less than ${count(fitting, 'day')} (--retention-days, and that of each project), or use a larger disk.`,
    ),
  ];
}

function mebibytes(bytes: number): string {
  const amount = bytes / MEBIBYTE;
  return amount < 10 ? `${amount.toFixed(1)} MiB` : `${Math.round(amount).toLocaleString('en-US')} MiB`;
}

function bytesByDay(directory: string): Map<string, number> {
  const found = new Map<string, number>();
  const days = join(directory, 'days');
  for (const name of existsSync(days) ? readdirSync(days) : []) {
    const day = /^(\d{4}-\d{2}-\d{2})\.duckdb/.exec(name)?.[1];
    const entry = day === undefined ? undefined : statSync(join(days, name), { throwIfNoEntry: false });
    if (day !== undefined && entry !== undefined) found.set(day, (found.get(day) ?? 0) + entry.size);
  }
  return found;
}

/** The longest that any project of a server keeps its spans, 0 for ever; undefined where it does not say so. */
async function longestRetention(endpoint: string, access: Access): Promise<number | undefined> {
  let server: TelemetryStore | undefined;
  try {
    server = openRemoteStore({ endpoint, ...access, maxRetries: 0, timeoutMillis: TIMEOUT_MILLIS });
    const usual = (await server.figures())['retention_days'];
    if (usual === undefined) return undefined;
    const own = await server.listRetention();
    const all = [usual, ...own.map(({ days }) => days)];
    return all.includes(0) ? 0 : Math.max(...all);
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    return undefined; // no server, or a key that may not ask: told by the check of the endpoint, or nobody's fault
  } finally {
    await server?.shutdown();
  }
}

/** Of a directory that a server on this machine has open: only that server knows its own retention. */
export async function checkRetention(directory: string, endpoint: string, access: Access): Promise<Finding[]> {
  const path = resolve(directory);
  if (!existsSync(path) || !URL.canParse(endpoint) || !isLoopback(endpoint)) return [];
  const { bavail, bsize } = statfsSync(path);
  const days = await longestRetention(endpoint, access);
  return judgeRetention({ days, bytesByDay: bytesByDay(path), freeBytes: bavail * bsize, now: new Date() });
}
