/** A trace as a tree: what called what, how long it took, what went wrong. */
import type { SpanRecord } from '@cogniverse/foundation/telemetry';
import type { Terminal } from './terminal.js';
import { duration, fit, safe } from './text.js';

interface Branch {
  readonly span: SpanRecord;
  readonly prefix: string;
  readonly note: string;
}

function byStart(a: SpanRecord, b: SpanRecord): number {
  if (a.startTimeUnixNano !== b.startTimeUnixNano) return a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1;
  return a.spanId < b.spanId ? -1 : 1;
}

/** Depth first, by start. A span whose parent is not there begins a tree of its own, and so does one of a cycle: every span comes once. */
function arrange(spans: readonly SpanRecord[]): Branch[] {
  const known = new Set(spans.map((span) => span.spanId));
  const children = new Map<string, SpanRecord[]>();
  const tops: SpanRecord[] = [];
  for (const span of [...spans].sort(byStart)) {
    const parent = span.parentSpanId;
    if (parent === undefined || !known.has(parent)) tops.push(span);
    else children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const branches: Branch[] = [];
  const placed = new Set<string>();
  // Iterative: the depth of a trace is the sender's choice.
  const place = (top: SpanRecord, note: string) => {
    const open = [{ span: top, own: '', below: '', note }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (placed.has(next.span.spanId)) continue;
      placed.add(next.span.spanId);
      branches.push({ span: next.span, prefix: next.own, note: next.note });
      const below = next.below;
      const inner = (children.get(next.span.spanId) ?? []).map((span, index, all) => {
        const last = index === all.length - 1;
        return { span, own: `${below}${last ? '└─ ' : '├─ '}`, below: `${below}${last ? '   ' : '│  '}`, note: '' };
      });
      open.push(...inner.reverse());
    }
  };
  for (const top of tops) place(top, top.parentSpanId === undefined ? '' : `parent ${top.parentSpanId} not stored`);
  for (const span of [...spans].sort(byStart)) if (!placed.has(span.spanId)) place(span, 'in a cycle of parents');
  return branches;
}

/** OpenInference's kind says most; else OpenTelemetry's, where it is no default. */
function kindOf(span: SpanRecord): string {
  if (span.spanKind !== 'UNKNOWN') return span.spanKind;
  return span.kind === 'INTERNAL' || span.kind === 'UNSPECIFIED' ? '' : span.kind;
}

/** What went wrong, in a few words: the status message, else the first recorded exception. */
function errorOf(span: SpanRecord): string {
  if (span.statusCode !== 'ERROR') return '';
  const exception = span.events.find((event) => event.name === 'exception');
  const type = exception?.attributes['exception.type'];
  const message = span.statusMessage || String(exception?.attributes['exception.message'] ?? '');
  const http = span.attributes['http.response.status_code'];
  return [
    typeof type === 'string' && !message.startsWith(type) ? type : '',
    message,
    http === undefined ? '' : `HTTP ${http}`,
  ]
    .filter((part) => part !== '')
    .join(': ');
}

/** First start and last end of some spans, nanoseconds since 1970. */
export function timeRange(spans: readonly SpanRecord[]): { start: bigint; end: bigint } {
  let start = spans[0]?.startTimeUnixNano ?? 0n;
  let end = spans[0]?.endTimeUnixNano ?? 0n;
  for (const span of spans) {
    if (span.startTimeUnixNano < start) start = span.startTimeUnixNano;
    if (span.endTimeUnixNano > end) end = span.endTimeUnixNano;
  }
  return { start, end };
}

/** One line a span: the tree, kind, duration, and where in the trace it began. */
export function traceTree(terminal: Terminal, spans: readonly SpanRecord[]): string[] {
  const { colors } = terminal;
  const branches = arrange(spans);
  const traceStart = timeRange(spans).start;
  const longest = Math.max(0, ...branches.map(({ span, prefix }) => [...prefix, ...safe(span.name)].length));
  const nameWidth = Math.min(longest, Math.max(30, terminal.width - 50));
  return branches.map(({ span, prefix, note }) => {
    const name = fit(safe(span.name), Math.max(8, nameWidth - prefix.length));
    const gap = ' '.repeat(Math.max(0, nameWidth - prefix.length - [...name].length));
    const failed = span.statusCode === 'ERROR';
    const offset = Number(span.startTimeUnixNano - traceStart) / 1e6;
    const columns = `${duration(span.durationMillis).padStart(10)}  ${colors.dim(`+${duration(offset)}`.padEnd(10))} ${colors.cyan(kindOf(span).padEnd(9))}`;
    const trouble = failed ? ` ${colors.red(`✗ ${fit(safe(errorOf(span)) || 'error', 120)}`)}` : '';
    const remark = note === '' ? '' : ` ${colors.yellow(`(${note})`)}`;
    return `${colors.dim(prefix)}${failed ? colors.red(name) : name}${gap}${columns}${trouble}${remark}`.trimEnd();
  });
}
