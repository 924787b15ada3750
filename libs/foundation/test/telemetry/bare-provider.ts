/** The least that counts as a provider: tests add what they ask for. */
import type { ProviderConfig, TelemetryProvider } from '@cogniverse/foundation/telemetry';

export class BareProvider
  implements Pick<TelemetryProvider, 'name' | 'initialize' | 'configureSpanExport' | 'sessionContext' | 'shutdown'>
{
  readonly name: string = 'bare';
  config: ProviderConfig | undefined;
  closed = 0;

  initialize(config: ProviderConfig): void | Promise<void> {
    this.config = config;
  }

  configureSpanExport(): ReturnType<TelemetryProvider['configureSpanExport']> {
    return undefined;
  }

  sessionContext<T>(_sessionId: string, fn: () => T): T {
    return fn();
  }

  async shutdown(): Promise<void> {
    this.closed += 1;
  }
}

/** As a manager takes it: the stores that it lacks nobody asks for. */
export function asProvider(provider: BareProvider): TelemetryProvider {
  return provider as unknown as TelemetryProvider;
}
