/**
 * The server's log: one event, one line, nothing in it that a terminal would obey.   Control path.
 */

export type LogLevel = 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface ServerLogger {
  log(level: LogLevel, event: string, fields?: LogFields): void;
}

/** Longest text of one field, in UTF-16 units. */
const MAX_FIELD_LENGTH = 1000;
// What JSON leaves as it is and a terminal or an editor acts on: DEL and C1, bidirectional marks and overrides, line separators, BOM.
const UNSAFE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line of JSON. Control, bidirectional and invisible characters of any value come out as `\uXXXX`. */
export function formatLogLine(time: Date, level: LogLevel, event: string, fields: LogFields = {}): string {
  const entry: Record<string, unknown> = { time: time.toISOString(), level, event };
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    entry[key] =
      typeof value === 'string' && value.length > MAX_FIELD_LENGTH ? `${value.slice(0, MAX_FIELD_LENGTH)}...` : value;
  }
  return JSON.stringify(entry).replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Writes lines to standard error, from `minLevel` on. */
export function createStderrLogger(minLevel: LogLevel = 'info'): ServerLogger {
  const order: readonly LogLevel[] = ['info', 'warn', 'error'];
  return {
    log(level, event, fields) {
      if (order.indexOf(level) < order.indexOf(minLevel)) return;
      process.stderr.write(`${formatLogLine(new Date(), level, event, fields)}\n`);
    },
  };
}
