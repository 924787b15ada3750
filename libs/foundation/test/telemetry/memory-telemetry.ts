/** A manager whose spans arrive in memory, decoded from the bytes that were sent. */
import type { OtlpResource, OtlpSpan } from '@cogniverse/foundation/otlp';
import type { Telemetry } from '@cogniverse/foundation/telemetry';
import type { MemoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { expect } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

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
  readonly warnings: readonly string[];
  /** Flushes, and checks the books. */
  flushed(): Promise<Received>;
}

/** `auditedTelemetry()` for tests that ask for OTLP's own types. */
export function memoryTelemetry(...options: Parameters<typeof auditedTelemetry>): Fixture {
  const { telemetry, warnings, target, flushed } = auditedTelemetry(...options);
  const received = new Received(target);
  return { telemetry, received, warnings, flushed: () => flushed().then(() => received) };
}
