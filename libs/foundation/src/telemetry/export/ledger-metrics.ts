/** The ledger as OpenTelemetry metrics and as a Prometheus text page.   Write path: beside it, for those who watch it. */
import type { Attributes, Meter, ObservableResult } from '@opentelemetry/api';
import type { SendResult } from './export-target.js';
import type { Ledger, LedgerCounts } from './ledger.js';
import type { ExportPipeline } from './pipeline.js';

/** Reasons that the queue gives; all others are the export's. */
const PROCESSOR_REASONS = new Set([
  'queue_full',
  'queue_bytes',
  'span_too_large',
  'tenant_limit',
  'no_tenant',
  'invalid',
  'serialize_error',
  'redaction_error',
  'already_shutdown',
]);
const PROCESSOR: Attributes = {
  'otel.component.type': 'cogniverse_span_processor',
  'otel.component.name': 'cogniverse_span_processor/0',
};
const EXPORTER: Attributes = {
  'otel.component.type': 'cogniverse_otlp_span_exporter',
  'otel.component.name': 'cogniverse_otlp_span_exporter/0',
};

export interface LedgerMetricsOptions {
  /** One series per tenant (`tenant.id`), rather than totals: for as many tenants as the metrics backend takes. Default false. */
  readonly perTenant?: boolean | undefined;
}

/**
 * Records the pipeline's counters with a meter, under the names of OpenTelemetry's SDK metrics. Gives a function that ends it.
 * Source: semantic conventions, `otel.sdk.*`.
 */
export function recordPipelineMetrics(
  meter: Meter,
  pipeline: ExportPipeline,
  options: LedgerMetricsOptions = {},
): () => void {
  const span = { unit: '{span}' };
  const started = meter.createObservableCounter('otel.sdk.span.started', span);
  const live = meter.createObservableUpDownCounter('otel.sdk.span.live', span);
  const queueSize = meter.createObservableUpDownCounter('otel.sdk.processor.span.queue.size', span);
  const queueCapacity = meter.createObservableUpDownCounter('otel.sdk.processor.span.queue.capacity', span);
  const processed = meter.createObservableCounter('otel.sdk.processor.span.processed', span);
  const inFlight = meter.createObservableUpDownCounter('otel.sdk.exporter.span.inflight', span);
  const exported = meter.createObservableCounter('otel.sdk.exporter.span.exported', span);
  const duration = meter.createHistogram('otel.sdk.exporter.operation.duration', { unit: 's' });

  const each = (observe: (counts: LedgerCounts, attributes: Attributes) => void): void => {
    if (options.perTenant !== true) {
      observe(pipeline.ledger.total(), {});
      return;
    }
    const { tenants } = pipeline.ledger.snapshot();
    for (const [tenantId, counts] of Object.entries(tenants)) observe(counts, { 'tenant.id': tenantId });
  };
  const observed = [
    callback(started, (result) => each((counts, tenant) => result.observe(counts.started, tenant))),
    callback(live, (result) =>
      each((counts, tenant) => result.observe(Math.max(counts.started - counts.ended, 0), tenant)),
    ),
    callback(queueSize, (result) =>
      each((counts, tenant) => result.observe(counts.queued, { ...PROCESSOR, ...tenant })),
    ),
    callback(queueCapacity, (result) => result.observe(pipeline.stats().queueCapacity, PROCESSOR)),
    callback(processed, (result) =>
      each((counts, tenant) => {
        // What left the queue well: it is in a request, or had its answer.
        let left = counts.inFlight + counts.spooled + counts.exported + counts.rejected;
        for (const [reason, count] of Object.entries(counts.dropped)) {
          if (PROCESSOR_REASONS.has(reason)) result.observe(count, { ...PROCESSOR, ...tenant, 'error.type': reason });
          else left += count;
        }
        result.observe(left, { ...PROCESSOR, ...tenant });
      }),
    ),
    callback(inFlight, (result) =>
      each((counts, tenant) => result.observe(counts.inFlight, { ...EXPORTER, ...tenant })),
    ),
    callback(exported, (result) =>
      each((counts, tenant) => {
        result.observe(counts.exported, { ...EXPORTER, ...tenant });
        if (counts.rejected > 0) result.observe(counts.rejected, { ...EXPORTER, ...tenant, 'error.type': 'rejected' });
        for (const [reason, count] of Object.entries(counts.dropped)) {
          if (!PROCESSOR_REASONS.has(reason)) result.observe(count, { ...EXPORTER, ...tenant, 'error.type': reason });
        }
      }),
    ),
  ];
  pipeline.onAttempt = (durationMillis, result) =>
    duration.record(durationMillis / 1000, { ...EXPORTER, ...errorType(result) });
  return () => {
    for (const end of observed) end();
    pipeline.onAttempt = undefined;
  };
}

interface Observable {
  addCallback(callback: (result: ObservableResult) => void): void;
  removeCallback(callback: (result: ObservableResult) => void): void;
}

function callback(instrument: Observable, observe: (result: ObservableResult) => void): () => void {
  instrument.addCallback(observe);
  return () => instrument.removeCallback(observe);
}

function errorType(result: SendResult): Attributes {
  return result.status === 'sent' ? {} : { 'error.type': result.reason };
}

/** Prometheus' text exposition format 0.0.4. One series per tenant that has counters of its own; `tenant=""` holds the others together. */
export function prometheusText(ledger: Ledger): string {
  const { tenants, folded } = ledger.snapshot();
  const rows: [string, LedgerCounts][] = Object.entries(tenants);
  if (folded.ended > 0 || folded.started > 0) rows.push(['', folded]);
  const lines: string[] = [];
  const metric = (name: string, type: 'counter' | 'gauge', help: string): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  };
  metric('cogniverse_spans_ended_total', 'counter', 'Spans that ended.');
  for (const [tenant, counts] of rows) lines.push(series('cogniverse_spans_ended_total', { tenant }, counts.ended));
  metric('cogniverse_spans', 'gauge', 'Spans in memory or in the spool, by where they are.');
  for (const [tenant, counts] of rows) {
    for (const [state, count] of Object.entries({
      held: counts.held,
      queued: counts.queued,
      in_flight: counts.inFlight,
      spooled: counts.spooled,
    })) {
      lines.push(series('cogniverse_spans', { tenant, state }, count));
    }
  }
  metric('cogniverse_spans_settled_total', 'counter', 'Spans that have their fate and were not dropped, by fate.');
  for (const [tenant, counts] of rows) {
    for (const [fate, count] of Object.entries({
      exported: counts.exported,
      rejected: counts.rejected,
      unsampled: counts.unsampled,
      sampled_out: counts.sampledOut,
    })) {
      lines.push(series('cogniverse_spans_settled_total', { tenant, fate }, count));
    }
  }
  metric('cogniverse_spans_dropped_total', 'counter', 'Spans that were dropped, by reason.');
  for (const [tenant, counts] of rows) {
    for (const [reason, count] of Object.entries(counts.dropped)) {
      lines.push(series('cogniverse_spans_dropped_total', { tenant, reason }, count));
    }
  }
  metric('cogniverse_spans_ambiguous_total', 'counter', 'Spans that an attempt may have delivered before it failed.');
  for (const [tenant, counts] of rows)
    lines.push(series('cogniverse_spans_ambiguous_total', { tenant }, counts.ambiguous));
  return `${lines.join('\n')}\n`;
}

function series(name: string, labels: Record<string, string>, value: number): string {
  const inner = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}{${inner.join(',')}} ${value}`;
}

/** The format knows these three escapes and no other. */
function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
