/** A manager whose spans arrive in memory, decoded from the bytes that were sent. */
import type { OtlpResource, OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  createTelemetry,
  type Telemetry,
  TelemetryConfig,
  type TelemetryConfigOptions,
  type TelemetryManagerOptions,
} from '@cogniverse/foundation/telemetry';
import { type MemoryTarget, type MemoryTargetOptions, memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { expect } from 'vitest';

export interface FlatSpan extends OtlpSpan {
  project: string;
  tenant: string;
  scopeName: string;
  resource: OtlpResource;
}

export class Received {
  readonly target: MemoryTarget;
  constructor(target: MemoryTarget) {
    this.target = target;
  }

  get spans(): FlatSpan[] {
    return this.target.spans.map(({ resource, scope, span }) => ({
      ...span,
      resource,
      scopeName: scope.name,
      project: String(resource.attributes.get('openinference.project.name')),
      tenant: String(span.attributes.get('tenant.id')),
    }));
  }

  /** The one span of this name. */
  named(name: string): FlatSpan {
    const found = this.spans.filter((span) => span.name === name);
    expect(found.map((span) => span.name)).toEqual([name]);
    return found[0]!;
  }

  inProject(project: string): string[] {
    return this.spans.filter((span) => span.project === project).map((span) => span.name);
  }
}

export interface Fixture {
  readonly telemetry: Telemetry;
  readonly received: Received;
  readonly warnings: string[];
  /** Flushes, and asserts that the fates of all spans add up. */
  flushed(): Promise<Received>;
}

export function memoryTelemetry(
  config: TelemetryConfigOptions = {},
  options: Omit<TelemetryManagerOptions, 'exportTarget'> = {},
  targetOptions: MemoryTargetOptions = {},
): Fixture {
  const received = new Received(memoryTarget(targetOptions));
  const warnings: string[] = [];
  const telemetry = createTelemetry(new TelemetryConfig({ level: 'verbose', flushOnExit: false, ...config }), {
    environment: {},
    logger: { warn: (message) => warnings.push(message) },
    ...options,
    exportTarget: () => received.target,
  });
  return {
    telemetry,
    received,
    warnings,
    async flushed() {
      expect(telemetry.audit()).toBeNull();
      await telemetry.forceFlush(5000);
      expect(telemetry.audit()).toBeNull();
      return received;
    },
  };
}
