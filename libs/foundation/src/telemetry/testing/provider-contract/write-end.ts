/** Contract: spans that an application records through a manager come out of the provider.   Testing. */
import assert from 'node:assert/strict';
import { BackendUnavailableError } from '../../errors.js';
import { hexId } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

export function describeWriteEnd({ check }: ContractTopic): void {
  check('takes what a manager records, each tenant its own', async (backend) => {
    const telemetry = backend.manager();
    const tenants = [`acme-${hexId(8)}`, `globex-${hexId(8)}`];
    const recorded = new Map<string, string[]>();
    for (const tenantId of tenants) {
      const ids: string[] = [];
      await telemetry.sessionSpan('root', { tenantId, projectName: 'search', sessionId: 's1' }, async (root) => {
        ids.push(root.spanContext().spanId);
        await telemetry.span(
          'child',
          { tenantId, projectName: 'search', attributes: { of: tenantId } },
          async (child) => {
            ids.push(child.spanContext().spanId);
          },
        );
      });
      recorded.set(tenantId, ids);
    }
    assert.equal(await telemetry.forceFlush(), true, 'the backend has taken everything');
    for (const tenantId of tenants) {
      const provider = await telemetry.getProvider(tenantId, 'search');
      const [rootId, childId] = recorded.get(tenantId) as [string, string];
      await backend.waitForSpans(provider, `cogniverse-${tenantId}-search`, [rootId, childId]);
      const spans = await provider.traces.getSpans({ filters: { sessionId: 's1' } });
      const root = spans.find(({ spanId }) => spanId === rootId);
      const child = spans.find(({ spanId }) => spanId === childId);
      assert.equal(spans.length, 2);
      assert.deepEqual([root?.name, root?.tenantId, root?.parentSpanId], ['root', tenantId, undefined]);
      assert.deepEqual([child?.name, child?.tenantId, child?.parentSpanId], ['child', tenantId, rootId]);
      assert.equal(child?.attributes['of'], tenantId);
      assert.equal(child.project, `cogniverse-${tenantId}-search`);
      assert.equal((await provider.traces.getTraces()).items.length, 1);
    }
    assert.equal(telemetry.audit(), null, 'every span has its fate');
  });

  check('keeps the error of a span that failed', async (backend) => {
    const telemetry = backend.manager();
    const tenantId = `acme-${hexId(8)}`;
    let spanId = '';
    const failing = telemetry.span('failing', { tenantId }, async (span) => {
      spanId = span.spanContext().spanId;
      throw new RangeError('out of range');
    });
    await assert.rejects(failing, RangeError);
    assert.equal(await telemetry.forceFlush(), true);
    const provider = await telemetry.getProvider(tenantId);
    const project = telemetry.config.getProjectName(tenantId);
    await backend.waitForSpans(provider, project, [spanId]);
    const record = await provider.traces.getSpanById(spanId);
    assert.equal(record?.statusCode, 'ERROR');
    assert.equal(record.events[0]?.attributes['exception.message'], 'out of range');
  });

  check('sets the session of spans that start inside', async (backend) => {
    const telemetry = backend.manager();
    const tenantId = `acme-${hexId(8)}`;
    const provider = await telemetry.getProvider(tenantId, 'search');
    let spanId = '';
    const result = provider.sessionContext('s 7', () =>
      telemetry.span('inside', { tenantId, projectName: 'search' }, (span) => {
        spanId = span.spanContext().spanId;
        return 42;
      }),
    );
    assert.equal(result, 42);
    assert.equal(await telemetry.forceFlush(), true);
    await backend.waitForSpans(provider, `cogniverse-${tenantId}-search`, [spanId]);
    assert.equal((await provider.traces.getSpanById(spanId))?.sessionId, 's 7');
  });

  check('has stored what was recorded when its manager is shut down, and is closed with it', async (backend) => {
    const telemetry = backend.manager();
    const tenantId = `acme-${hexId(8)}`;
    let spanId = '';
    telemetry.span('last', { tenantId, projectName: 'search' }, (span) => {
      spanId = span.spanContext().spanId;
    });
    await telemetry.shutdown();
    assert.equal(telemetry.audit(), null, 'every span has its fate');
    await assert.rejects(telemetry.getProvider(tenantId, 'search'), BackendUnavailableError);
    const reader = await backend.manager().getProvider(tenantId, 'search');
    await backend.waitForSpans(reader, `cogniverse-${tenantId}-search`, [spanId]);
    assert.equal((await reader.traces.getSpanById(spanId))?.name, 'last');
  });
}
