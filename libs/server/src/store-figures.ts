/** What each figure of the embedded store means, for `/metrics` and the documentation.   Read path: [store-figures] <- server-metrics. */

/** Keys are names of `StoreFigures`. Markdown: code is in backticks. */
export const STORE_FIGURE_MEANINGS: Readonly<Record<string, string>> = {
  requests_total: 'requests that reached the store',
  request_duplicates_total: 'of these, those that had come before to the byte',
  spans_accepted_total: 'spans acknowledged',
  spans_rejected_total: 'spans refused',
  spans_duplicate_total: 'spans known to be held already, as the store counts them',
  log_syncs_total: 'syncs of the log to disk; one may serve many requests',
  log_bytes_written_total: 'bytes appended to the log',
  flushes_total: 'segments written to day files',
  flush_failures_total: 'attempts at that which failed and are repeated',
  spans_recovered_total: 'spans read from the log at the start',
  damaged_total: 'things found unreadable at the start, set aside in `damaged/`',
  hot_spans: 'spans in memory that are not in day files yet (they are in the log)',
  hot_bytes: 'memory that those spans take, in bytes',
  waiting_segments: 'closed segments that wait for their flush',
  log_bytes: 'bytes of the log that are not in day files yet',
  day_files: 'day files',
  waiting_queries: 'queries that wait for their turn',
  write_failing: '1 while the log cannot be written to',
  flush_failing: '1 while day files cannot be written to',
  retention_sweeps_total: 'times that spans past their retention were looked for',
  retention_spans_removed_total: 'spans removed because they were past their retention',
  retention_failures_total: 'of these sweeps, those that failed; the next one makes up for it',
  retention_days: 'days that spans are kept in projects without a retention of their own; 0 is for ever',
  next_sequence: 'the number that the next span gets',
};

export interface StoreFigureDescription {
  readonly type: 'counter' | 'gauge';
  /** One sentence, plain text. */
  readonly help: string;
}

/** A name that ends in `_total` only grows while the process lives: a counter. Another store may have figures that are not known here. */
export function describeStoreFigure(name: string): StoreFigureDescription {
  const meaning = (STORE_FIGURE_MEANINGS[name] ?? 'a figure of this store alone').replaceAll('`', '');
  return {
    type: name.endsWith('_total') ? 'counter' : 'gauge',
    help: `${meaning[0]!.toUpperCase()}${meaning.slice(1)}.`,
  };
}
