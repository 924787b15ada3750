/** The pipeline's counters under OpenTelemetry's names. */
import { memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import type { Attributes, Meter, ObservableResult } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { recordPipelineMetrics } from '../../dist/telemetry/export/ledger-metrics.js';
import { end, startPipeline } from './pipeline-fixture.js';

/** A meter that gives back what was recorded, as `name{attributes}` to value. */
function recordingMeter() {
  const callbacks = new Map<string, Set<(result: ObservableResult) => void>>();
  const recorded: { name: string; value: number; attributes: Attributes }[] = [];
  const observable = (name: string) => {
    const own = new Set<(result: ObservableResult) => void>();
    callbacks.set(name, own);
    return { addCallback: own.add.bind(own), removeCallback: own.delete.bind(own) };
  };
  const meter = {
    createObservableCounter: observable,
    createObservableUpDownCounter: observable,
    createHistogram: (name: string) => ({
      record: (value: number, attributes: Attributes) => recorded.push({ name, value, attributes }),
    }),
  } as unknown as Meter;
  const collect = () => {
    const values: Record<string, number> = {};
    for (const [name, own] of callbacks) {
      for (const observe of own) {
        observe({
          observe: (value: number, attributes: Attributes = {}) => {
            const { 'error.type': error, 'tenant.id': tenant } = attributes;
            values[[name, tenant, error].filter((part) => part !== undefined).join(' ')] = value;
          },
        } as ObservableResult);
      }
    }
    return values;
  };
  return { meter, collect, recorded };
}

describe('OpenTelemetry metrics of the pipeline', () => {
  it('count what was started, queued, processed and exported, and time each attempt', async () => {
    const { pipeline, clock } = startPipeline();
    const { meter, collect, recorded } = recordingMeter();
    const stop = recordPipelineMetrics(meter, pipeline);
    const target = memoryTarget({ respond: () => ({ status: 'sent', rejectedSpans: 1, message: '' }) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 3 });
    queue.ledger.started += 5;
    for (const name of ['a', 'b', 'c', 'd']) end(queue, name);
    expect(collect()).toEqual({
      'otel.sdk.span.started': 5,
      'otel.sdk.span.live': 1,
      'otel.sdk.processor.span.queue.size': 3,
      'otel.sdk.processor.span.queue.capacity': 3,
      'otel.sdk.processor.span.processed': 0,
      'otel.sdk.processor.span.processed queue_full': 1,
      'otel.sdk.exporter.span.inflight': 0,
      'otel.sdk.exporter.span.exported': 0,
    });
    await clock.advance(500);
    expect(collect()).toMatchObject({
      'otel.sdk.processor.span.queue.size': 0,
      'otel.sdk.processor.span.processed': 3,
      'otel.sdk.exporter.span.exported': 2,
      'otel.sdk.exporter.span.exported rejected': 1,
    });
    expect(recorded.map(({ name, value }) => [name, value])).toEqual([['otel.sdk.exporter.operation.duration', 0]]);
    stop();
    expect(collect()).toEqual({});
  });

  it('are there per tenant where that is asked for', async () => {
    const { pipeline, clock } = startPipeline();
    const { meter, collect } = recordingMeter();
    recordPipelineMetrics(meter, pipeline, { perTenant: true });
    const target = memoryTarget();
    for (const tenantId of ['a', 'b'])
      end(pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 3 }), 'span');
    await clock.advance(500);
    expect(collect()).toMatchObject({ 'otel.sdk.exporter.span.exported a': 1, 'otel.sdk.exporter.span.exported b': 1 });
  });
});
