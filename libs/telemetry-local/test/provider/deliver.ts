/** Brings spans into a provider the way it says that spans get there. */
import assert from 'node:assert/strict';
import { encodeTraces, type OtlpSpan } from '@cogniverse/foundation/otlp';
import type { TelemetryProvider } from '@cogniverse/foundation/telemetry';

export async function deliver(
  provider: TelemetryProvider,
  owner: { tenantId: string; projectName: string },
  spans: readonly OtlpSpan[],
): Promise<void> {
  const target = provider.configureSpanExport(owner);
  assert.ok(target, 'the provider has an export target');
  const resource = {
    attributes: new Map([['tenant.id', owner.tenantId], ...target.resourceAttributes]),
    droppedAttributesCount: 0,
  };
  const scope = { name: 'deliver', version: '', attributes: new Map(), droppedAttributesCount: 0 };
  const body = encodeTraces({
    resourceSpans: [{ resource, schemaUrl: '', scopeSpans: [{ scope, schemaUrl: '', spans: [...spans] }] }],
  });
  const sender = target.createSender();
  try {
    const result = await sender.send(body, { timeoutMillis: 20_000, spanCount: spans.length });
    assert.deepEqual(result, { status: 'sent', rejectedSpans: 0, message: '' });
  } finally {
    await sender.close();
  }
}
