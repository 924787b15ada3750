/** A pipeline over a clock that tests move, and spans by name.   Tests of the write path. */
import {
  encodeSampleSpan,
  ManualClock,
  type ReceivedSpan,
  sampleScope,
} from '@cogniverse/foundation/telemetry/testing';
import { Ledger } from '../../dist/telemetry/export/ledger.js';
import { ExportPipeline, type PipelineOptions } from '../../dist/telemetry/export/pipeline.js';
import type { ScopeBytes, TenantQueue } from '../../dist/telemetry/export/tenant-queue.js';

export const scope: ScopeBytes = sampleScope(1, 'scope-a');
export const otherScope: ScopeBytes = sampleScope(2, 'scope-b');

export interface Fixture {
  pipeline: ExportPipeline;
  ledger: Ledger;
  clock: ManualClock;
  warnings: string[];
}

export function startPipeline(options: Partial<PipelineOptions> = {}): Fixture {
  const clock = new ManualClock();
  const ledger = new Ledger();
  const warnings: string[] = [];
  const logger = { warn: (line: string) => void warnings.push(line) };
  const pipeline = new ExportPipeline({ ledger, clock, logger, random: () => 0.999, ...options });
  return { pipeline, ledger: options.ledger ?? ledger, clock, warnings };
}

/** Ends a span of this name (with `padding` bytes in an attribute) in the queue's project, as the span layer does. */
export function end(queue: TenantQueue, name: string, { padding = 0, in: inScope = scope } = {}): boolean {
  queue.ledger.ended += 1;
  return queue.offer(inScope, encoded(name, padding));
}

export function encoded(name: string, padding = 0): Uint8Array {
  const attributes = new Map(padding === 0 ? [] : [['padding', 'x'.repeat(padding)]]);
  return encodeSampleSpan(name, { attributes });
}

export function names(spans: readonly ReceivedSpan[]): string[] {
  return spans.map(({ span }) => span.name);
}

/** `prefix0` ... */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

const spanBody = encodeSampleSpan('span');
/** A request with one span and no resource. */
export const oneSpanRequest = Buffer.concat([
  Buffer.from([0x0a, spanBody.length + 4, 0x12, spanBody.length + 2, 0x12, spanBody.length]),
  spanBody,
]);
