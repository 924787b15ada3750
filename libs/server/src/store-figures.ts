/** What each figure of the embedded store means, for `/metrics` and the documentation.   Read path: [store-figures] <- server-metrics. */

/** Keys are names of `StoreFigures`. `action`: what to do about it, or when it tells of trouble. Markdown: code is in backticks. */
export const STORE_FIGURES: Readonly<Record<string, { readonly meaning: string; readonly action: string }>> = {
  requests_total: { meaning: 'requests that reached the store', action: '' },
  request_duplicates_total: {
    meaning: 'of these, those that had come before to the byte',
    action: 'Many: exporters do not get their answers in time; raise their timeout.',
  },
  spans_accepted_total: { meaning: 'spans acknowledged', action: '' },
  spans_rejected_total: {
    meaning: 'spans refused',
    action: 'See `cogniverse_server_spans_rejected_total`, which says whose.',
  },
  spans_duplicate_total: { meaning: 'spans known to be held already, as the store counts them', action: '' },
  log_syncs_total: {
    meaning: 'syncs of the log to disk; one may serve many requests',
    action: 'Fewer than requests is good: several share one.',
  },
  log_bytes_written_total: { meaning: 'bytes appended to the log', action: '' },
  flushes_total: {
    meaning: 'segments written to day files',
    action: 'No increase while `hot_spans` is above 0 for minutes: see `flush_failing`.',
  },
  flush_failures_total: {
    meaning: 'attempts at that which failed and are repeated',
    action: 'Any increase: the log says why; often the disk is full.',
  },
  spans_recovered_total: {
    meaning: 'spans read from the log at the start',
    action: 'Above 0: the last process did not end by itself; look why.',
  },
  damaged_total: {
    meaning: 'things found unreadable at the start, set aside in `damaged/`',
    action: 'Above 0: look at the disk, and at what is in `damaged/`.',
  },
  hot_spans: { meaning: 'spans in memory that are not in day files yet (they are in the log)', action: '' },
  hot_bytes: {
    meaning: 'memory that those spans take, in bytes',
    action: 'Near two fifths of `memoryLimitMb`: requests are about to be refused.',
  },
  waiting_segments: {
    meaning: 'closed segments that wait for their flush',
    action: '2 or more for minutes: flushes are slower than what comes in.',
  },
  log_bytes: {
    meaning: 'bytes of the log that are not in day files yet',
    action: 'Near `maxLogBytes`: requests are about to be refused.',
  },
  day_files: { meaning: 'day files', action: '' },
  waiting_queries: {
    meaning: 'queries that wait for their turn',
    action: 'Above 0 for long: more `maxConcurrentQueries` and `threads`, or narrower questions.',
  },
  write_failing: {
    meaning: '1 while the log cannot be written to',
    action: '1: nothing is taken in; the log says why.',
  },
  flush_failing: {
    meaning: '1 while day files cannot be written to',
    action: '1: the log says why; it goes on by itself once that is mended.',
  },
  retention_sweeps_total: {
    meaning: 'times that spans past their retention were looked for',
    action: 'No increase for two hours: see the log.',
  },
  retention_spans_removed_total: { meaning: 'spans removed because they were past their retention', action: '' },
  retention_failures_total: {
    meaning: 'of these sweeps, those that failed; the next one makes up for it',
    action: 'Any increase: the log says why.',
  },
  pending_deletions: {
    meaning: 'deletions that were begun and are not finished',
    action: 'Above 0 for minutes: the log says what hinders them; they are tried again.',
  },
  retention_days: {
    meaning: 'days that spans are kept in projects without a retention of their own; 0 is for ever',
    action: '0 on a disk that fills: set one.',
  },
  compactions_total: { meaning: 'day files that were written anew in one piece after their day was over', action: '' },
  compactions_abandoned_total: {
    meaning: 'compactions that began anew later because spans came into the day, or went',
    action: 'Grows all the time: spans arrive a day late; `compactAfterMillis` may be longer.',
  },
  compaction_failures_total: {
    meaning: 'compactions that failed and are repeated',
    action: 'Any increase: the log says why; often the disk has no room for a day file a second time.',
  },
  compaction_days_waiting: {
    meaning: 'days that are over and wait to be written anew, or to be looked at',
    action: 'Above 1 for hours: see `compaction_failures_total`.',
  },
  next_sequence: { meaning: 'the number that the next span gets', action: '' },
};

export interface StoreFigureDescription {
  readonly type: 'counter' | 'gauge';
  /** One sentence, plain text. */
  readonly help: string;
}

/** A name that ends in `_total` only grows while the process lives: a counter. Another store may have figures that are not known here. */
export function describeStoreFigure(name: string): StoreFigureDescription {
  const meaning = (STORE_FIGURES[name]?.meaning ?? 'a figure of this store alone').replaceAll('`', '');
  return {
    type: name.endsWith('_total') ? 'counter' : 'gauge',
    help: `${meaning[0]!.toUpperCase()}${meaning.slice(1)}.`,
  };
}
