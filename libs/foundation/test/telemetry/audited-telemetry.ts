/** A test telemetry whose books are checked: the fates of all spans add up, and what arrives is what the test telemetry showed. */
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  type Telemetry,
  type TelemetryConfigOptions,
  type TelemetryManagerOptions,
  toSpanRecord,
} from '@cogniverse/foundation/telemetry';
import {
  createTestTelemetry,
  type MemoryTarget,
  type MemoryTargetOptions,
  memoryTarget,
  type TestTelemetry,
} from '@cogniverse/foundation/telemetry/testing';
import { expect } from 'vitest';

export interface AuditedTelemetry {
  readonly t: TestTelemetry;
  readonly telemetry: Telemetry;
  readonly warnings: readonly string[];
  /** What has arrived. */
  readonly target: MemoryTarget;
  /** Flushes, and checks the books. */
  flushed(): Promise<TestTelemetry>;
  /** As `flushed()`; gives the one span of this name that has arrived, with OTLP's own types. */
  delivered(name: string): Promise<OtlpSpan>;
}

export function auditedTelemetry(
  config: TelemetryConfigOptions = {},
  options: Omit<TelemetryManagerOptions, 'exportTarget'> = {},
  targetOptions: MemoryTargetOptions = {},
): AuditedTelemetry {
  const target = memoryTarget(targetOptions);
  const t = createTestTelemetry({ config, ...options, exportTarget: () => target });
  let compared = 0;
  const flushed = async (): Promise<TestTelemetry> => {
    expect(t.audit()).toBeNull();
    await t.telemetry.forceFlush(5000);
    expect(t.audit()).toBeNull();
    const shown = new Map(t.spans.map((span) => [span.spanId, span]));
    for (const received of target.spans.slice(compared)) {
      const { project, tenantId } = shown.get(received.span.spanId)!;
      const arrived = toSpanRecord({
        ...received,
        project: { name: project, tenantId: tenantId ?? null },
        sequence: 0n,
        resourceSchemaUrl: '',
        scopeSchemaUrl: '',
      });
      expect(shown.get(received.span.spanId)).toEqual({ ...arrived });
    }
    compared = target.spans.length;
    expect(compared, 'all that the test telemetry showed has arrived').toBe(t.spans.length);
    return t;
  };
  const delivered = async (name: string): Promise<OtlpSpan> => {
    await flushed();
    const found = target.spans.filter(({ span }) => span.name === name);
    expect(found.map(({ span }) => span.name)).toEqual([name]);
    return found[0]!.span;
  };
  return { t, telemetry: t.telemetry, warnings: t.warnings, target, flushed, delivered };
}
