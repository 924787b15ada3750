/**
 * The server's log: one event, one line, nothing in it that a terminal would obey.   Control path.
 */

/** What a line is about: what it means, and which fields it has beside `time`, `level` and `event`. The documentation's table is made of it. */
export const LOG_EVENTS = {
  server_listening: { level: 'info', meaning: 'all ports are open', fields: 'http, otlpHttp, otlpGrpc' },
  server_closed: {
    level: 'info',
    meaning: 'the server has ended; `cut`: requests were cut off at the deadline',
    fields: 'cut',
  },
  request: {
    level: 'info',
    meaning: 'a request was answered (only with `--log-requests`); the path is without its parameters',
    fields: 'listener, method, path, status, millis, client, key_id',
  },
  access_refused: {
    level: 'warn',
    meaning:
      'requests were not let in; one line a reason and minute, `count` since the last one. `error` where the file of keys cannot be used',
    fields: 'reason, count, key_id, error',
  },
  keys_over_plain_http: {
    level: 'warn',
    meaning: 'keys are asked for on an address that others reach, without TLS',
    fields: 'host',
  },
  tls_reloaded: { level: 'info', meaning: 'certificate and key were read again', fields: '' },
  tls_reload_failed: {
    level: 'error',
    meaning: 'the new certificate cannot be used; the old one stays',
    fields: 'error',
  },
  internal_error: {
    level: 'error',
    meaning: "an error of the server's own or of its store; the client was told none of it",
    fields: 'listener, error',
  },
  store_figures_failed: {
    level: 'warn',
    meaning: '`/metrics` was answered without the figures of the store',
    fields: 'error',
  },
} as const satisfies Record<string, { level: LogLevel; meaning: string; fields: string }>;

export type LogEvent = keyof typeof LOG_EVENTS;
export const LOG_LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface ServerLogger {
  log(level: LogLevel, event: LogEvent, fields?: LogFields): void;
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
  return {
    log(level, event, fields) {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(minLevel)) return;
      process.stderr.write(`${formatLogLine(new Date(), level, event, fields)}\n`);
    },
  };
}
