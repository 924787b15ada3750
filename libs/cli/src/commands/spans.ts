/** `cogniverse spans`: the newest spans that fit the given conditions.   Read path. */
import type { AttributeFilter, SpanFilters, SpanRecord, SpanStatusCode } from '@cogniverse/foundation/telemetry';
import { Command, InvalidArgumentError } from 'commander';
import { jsonLine } from '../format/json.js';
import { table } from '../format/table.js';
import type { Terminal } from '../format/terminal.js';
import { duration, fit, safe, time } from '../format/text.js';
import {
  type AccessOptions,
  addAccessOptions,
  addExamples,
  addJsonOption,
  addScopeOptions,
  parseCount,
  parseFilter,
  parseSince,
  type ScopeOptions,
} from '../options.js';
import { newestSpans } from '../span-reading.js';
import { findProjects, withStore } from '../store-access.js';

export interface SpanFilterOptions {
  readonly filter?: AttributeFilter[];
  readonly where?: string;
  readonly name?: string;
  readonly status?: SpanStatusCode;
  readonly session?: string;
  readonly root?: boolean;
}

interface SpansOptions extends AccessOptions, ScopeOptions, SpanFilterOptions {
  readonly since?: Date;
  readonly limit: number;
  readonly json?: boolean;
}

function parseStatus(text: string): SpanStatusCode {
  const status = (['UNSET', 'OK', 'ERROR'] as const).find((code) => code === text.toUpperCase());
  if (status === undefined) throw new InvalidArgumentError('Give UNSET, OK or ERROR.');
  return status;
}

/** Conditions on spans, shared with `tail`. */
export function addSpanFilterOptions(command: Command): Command {
  return command
    .option(
      '--filter <condition>',
      'attribute condition, for example top_k>5; may be given several times, all must hold',
      parseFilter,
    )
    .option(
      '--where <condition>',
      "condition in Phoenix's language, for example \"span_kind == 'LLM' and latency_ms > 500\"",
    )
    .option('--name <name>', 'only spans of this name')
    .option('--status <code>', 'only spans of this status: UNSET, OK or ERROR', parseStatus)
    .option('--session <id>', 'only spans of this session')
    .option('--root', 'only spans without a parent');
}

export function spanFilters(options: SpanFilterOptions): SpanFilters {
  return {
    name: options.name,
    status: options.status,
    sessionId: options.session,
    rootOnly: options.root,
    attributes: options.filter,
  };
}

export function spanRow(terminal: Terminal, span: SpanRecord): string[] {
  const status = span.statusCode === 'ERROR' ? terminal.colors.red('ERROR') : span.statusCode === 'OK' ? 'OK' : '-';
  return [
    time(span.startTimeUnixNano),
    safe(span.tenantId ?? '-'),
    fit(safe(span.name), 40),
    span.spanKind === 'UNKNOWN' ? '-' : safe(span.spanKind),
    duration(span.durationMillis),
    status,
    span.traceId,
  ];
}

export const SPAN_COLUMNS = [
  { title: 'START (UTC)' },
  { title: 'TENANT' },
  { title: 'NAME' },
  { title: 'KIND' },
  { title: 'DURATION', align: 'right' as const },
  { title: 'STATUS' },
  { title: 'TRACE' },
];

export function spansCommand(terminal: Terminal): Command {
  const command = new Command('spans').description('List spans, newest first.');
  addScopeOptions(command);
  command.option('--since <age>', 'only spans that began since then: 90s, 15m, 1h, 7d, or an ISO time', (text) =>
    parseSince(text),
  );
  addSpanFilterOptions(command);
  command.option('--limit <n>', 'at most so many', parseCount, 20);
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(
    command,
    'cogniverse spans --tenant acme --since 1h --status ERROR',
    "cogniverse spans --filter strategy=bm25 --filter 'top_k>=10' --json",
    "cogniverse spans --where \"'refund' in input.value and annotations['quality'].score < 0.5\"",
  );
  return command.action((options: SpansOptions) =>
    withStore(options, async (store) => {
      const projects = await findProjects(store, options);
      const conditions = { startTime: options.since, filters: spanFilters(options), condition: options.where };
      const rows: string[][] = [];
      for await (const span of newestSpans(store, projects, conditions, options.limit)) {
        if (options.json) terminal.line(jsonLine(span));
        else rows.push(spanRow(terminal, span));
      }
      if (options.json) return;
      if (rows.length === 0) {
        terminal.note('No span fits.');
        return;
      }
      terminal.line(table(terminal, SPAN_COLUMNS, rows));
      if (rows.length === options.limit) terminal.note(`The newest ${rows.length} are shown; more with --limit.`);
    }),
  );
}
