/** An export target that keeps what it is sent, decoded. For tests that need no network. */
import { type AnyValue, decodeTraces, type OtlpResource, type OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  createTelemetry,
  type ExportTarget,
  type SendResult,
  type Telemetry,
  TelemetryConfig,
  type TelemetryConfigOptions,
  type TelemetryManagerOptions,
} from '@cogniverse/foundation/telemetry';
import { expect } from 'vitest';

export interface ReceivedSpan extends OtlpSpan {
  project: string;
  tenant: string;
  scopeName: string;
  resource: OtlpResource;
}

export class RecordingTarget {
  readonly spans: ReceivedSpan[] = [];
  requests = 0;
  /** Answers of the next requests, in order; then `sent`. */
  readonly answers: SendResult[] = [];
  /** Until it is resolved, requests have no answer. */
  gate: Promise<void> = Promise.resolve();
  maxSpanBytes: number | undefined;

  readonly target = (): ExportTarget => ({
    key: 'recording',
    resourceAttributes: new Map<string, AnyValue>(),
    maxSpanBytes: this.maxSpanBytes,
    createSender: () => ({
      send: async (body) => {
        this.requests += 1;
        const traces = decodeTraces(Uint8Array.from(body));
        await this.gate;
        const answer = this.answers.shift() ?? { status: 'sent', rejectedSpans: 0, message: '' };
        if (answer.status !== 'sent') return answer;
        for (const { resource, scopeSpans } of traces.resourceSpans) {
          for (const { scope, spans } of scopeSpans) {
            for (const span of spans) {
              this.spans.push({
                ...span,
                resource,
                scopeName: scope.name,
                project: String(resource.attributes.get('openinference.project.name')),
                tenant: String(span.attributes.get('tenant.id')),
              });
            }
          }
        }
        return answer;
      },
      close: async () => undefined,
    }),
  });

  named(name: string): ReceivedSpan {
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
  readonly received: RecordingTarget;
  readonly warnings: string[];
  /** Flushes, and asserts that the fates of all spans add up. */
  flushed(): Promise<RecordingTarget>;
}

export function recordingTelemetry(
  config: TelemetryConfigOptions = {},
  options: Omit<TelemetryManagerOptions, 'exportTarget'> = {},
): Fixture {
  const received = new RecordingTarget();
  const warnings: string[] = [];
  const telemetry = createTelemetry(new TelemetryConfig({ level: 'verbose', flushOnExit: false, ...config }), {
    environment: {},
    logger: { warn: (message) => warnings.push(message) },
    ...options,
    exportTarget: received.target,
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
