/** `cogniverse tail`: spans as they arrive.   Read path: polls in the order of ingestion. */

import { itemsOfPages, toSpanRecord } from '@cogniverse/foundation/store';
import type { ProjectRef, SpanRecord, StoredSpan, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { Command } from 'commander';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { fit, safe } from '../format/text.js';
import {
  type AccessOptions,
  addAccessOptions,
  addExamples,
  addJsonOption,
  addScopeOptions,
  parseCount,
  type ScopeOptions,
} from '../options.js';
import { withStore } from '../store-access.js';
import { addSpanFilterOptions, type SpanFilterOptions, spanFilters, spanRow } from './spans.js';

interface TailOptions extends AccessOptions, ScopeOptions, SpanFilterOptions {
  readonly interval: number;
  readonly lines: number;
  readonly json?: boolean;
}

const PAGE = 500;

/** What arrived in one project after `after`, oldest first; at most the newest `limit`. */
async function arrivedSince(
  store: TelemetryStore,
  project: ProjectRef,
  filters: SpanFilterOptions,
  after: bigint,
  limit: number,
): Promise<StoredSpan[]> {
  const arrived: StoredSpan[] = [];
  const newest = itemsOfPages((cursor) =>
    store.querySpans({
      project: { tenantId: project.tenantId, name: project.name },
      filters: spanFilters(filters),
      condition: filters.where,
      sort: 'sequence',
      order: 'desc',
      limit: Math.min(PAGE, limit - arrived.length),
      cursor,
    }),
  );
  for await (const span of newest) {
    if (span.sequence <= after) break;
    arrived.push(span);
    if (arrived.length === limit) break;
  }
  return arrived.reverse();
}

function print(terminal: Terminal, span: SpanRecord, json: boolean | undefined): void {
  if (json) {
    terminal.line(jsonLine(span));
    return;
  }
  const [start, tenant, name, kind, length, status, trace] = spanRow(terminal, span);
  terminal.line(
    [
      start,
      fit(tenant!, 16).padEnd(16),
      fit(name!, 36).padEnd(36),
      fit(kind!, 9).padEnd(9),
      length!.padStart(9),
      status!.padEnd(5),
      terminal.colors.dim(trace!),
    ].join('  '),
  );
}

function waitingFor({ project, tenant }: ScopeOptions): string {
  const what = project === undefined ? '' : ` in project "${safe(project)}"`;
  const whose = tenant === undefined ? '' : ` of tenant "${safe(tenant)}"`;
  return `No span${what}${whose} is stored yet. Waiting; Ctrl-C ends.`;
}

/** Resolves after `millis`, or at once when the signal comes. */
function pause(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, millis);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

export function tailCommand(terminal: Terminal): Command {
  const command = new Command('tail').description('Show new spans as they arrive, until Ctrl-C.');
  addScopeOptions(command);
  addSpanFilterOptions(command);
  command
    .option('--lines <n>', 'begin with the last n spans of each project', parseCount, 10)
    .option('--interval <ms>', 'ask this often, in milliseconds', parseCount, 1000);
  // A directory has no new spans while we have it open, and could not be served.
  addAccessOptions(command, { fallback: false });
  addJsonOption(command);
  addExamples(command, 'cogniverse tail --tenant acme', 'cogniverse tail --status ERROR --json');
  return command.action((options: TailOptions) => {
    const watch = async (store: TelemetryStore) => {
      const stop = new AbortController();
      const onSignal = () => stop.abort();
      process.once('SIGINT', onSignal);
      process.once('SIGTERM', onSignal);
      const seen = new Map<string, bigint>();
      for (let first = true; !stop.signal.aborted; first = false) {
        // A tenant or project that is not there yet may come while we watch.
        const projects = await store.listProjects({ tenantId: options.tenant, name: options.project });
        if (first && projects.length === 0) terminal.note(waitingFor(options));
        const arrived: StoredSpan[] = [];
        for (const project of projects) {
          const after = seen.get(project.id) ?? -1n;
          arrived.push(
            ...(await arrivedSince(store, project, options, after, first ? options.lines : Number.MAX_SAFE_INTEGER)),
          );
        }
        arrived.sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
        for (const span of arrived) print(terminal, toSpanRecord(span), options.json);
        for (const project of projects) {
          const own = arrived.findLast(
            (span) => span.project.name === project.name && span.project.tenantId === project.tenantId,
          );
          if (own !== undefined) seen.set(project.id, own.sequence);
        }
        await pause(options.interval, stop.signal);
      }
      process.removeListener('SIGINT', onSignal);
      process.removeListener('SIGTERM', onSignal);
    };
    return withStore(options, watch, { fallback: false });
  });
}
