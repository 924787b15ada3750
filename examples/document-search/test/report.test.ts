/** The report over a real store: it counts this run only, and finds what is in the wrong place. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApplicationResult } from '../dist/application-result.js';
import { createReport } from '../dist/report.js';

interface Sent {
  readonly tenant?: string;
  readonly run?: string;
  readonly trace: string;
  readonly span: string;
  readonly parent?: string;
  readonly kind?: number;
  readonly attributes?: Readonly<Record<string, string>>;
}

const STARTED = new Date('2026-01-31T12:00:00Z');
const text = (key: string, value: string) => ({ key, value: { stringValue: value } });

describe('the report', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse report '));
  let store: TelemetryStore;
  beforeEach(async () => {
    store = await openLocalStore({ dataDir: directory });
  });
  afterEach(async () => {
    await store.shutdown();
    rmSync(directory, { recursive: true, force: true });
  });

  async function send(spans: readonly Sent[]): Promise<void> {
    const resourceSpans = spans.map(({ tenant, run = 'this', trace, span, parent, kind = 1, attributes = {} }) => ({
      resource: {
        attributes: [text('openinference.project.name', `cogniverse-${tenant}-demo`), text('demo.run_id', run)],
      },
      scopeSpans: [
        {
          spans: [
            {
              traceId: trace.repeat(32),
              spanId: span.repeat(16),
              parentSpanId: parent?.repeat(16),
              name: 'GET',
              kind,
              startTimeUnixNano: `${STARTED.getTime() + 1}000000`,
              endTimeUnixNano: `${STARTED.getTime() + 11}000000`,
              attributes: [
                ...(tenant === undefined ? [] : [text('tenant.id', tenant)]),
                ...Object.entries(attributes).map(([key, value]) => text(key, value)),
              ],
            },
          ],
        },
      ],
    }));
    const body = Buffer.from(JSON.stringify({ resourceSpans }));
    expect(await store.ingest({ body, format: 'json' })).toMatchObject({ status: 'stored', rejectedSpans: 0 });
  }

  const tenantResult = (project: string) => ({
    project,
    ended: 2,
    exported: 2,
    asked: 1,
    failed: 0,
    relevance: 1,
    experiments: [],
  });
  const result: ApplicationResult = {
    runId: 'this',
    startedAt: STARTED.toISOString(),
    tenants: { acme: tenantResult('cogniverse-acme-demo'), globex: tenantResult('cogniverse-globex-demo') },
    audit: null,
  };

  it('counts the spans of this run, and the requests that are part of their client’s trace', async () => {
    await send([
      { tenant: 'acme', trace: '1', span: '1', kind: 3, attributes: { 'url.full': 'http://h/tenants/acme/search' } },
      {
        tenant: 'acme',
        trace: '1',
        span: '2',
        parent: '1',
        kind: 2,
        attributes: { 'url.path': '/tenants/acme/search' },
      },
      { tenant: 'acme', trace: '2', span: '3', run: 'another', kind: 2 },
      { tenant: 'globex', trace: '4', span: '4', kind: 2 },
    ]);
    const { tenants, strays, audit } = await createReport(store, result);
    expect({ strays, audit }).toEqual({ strays: [], audit: null });
    expect(tenants['acme']).toMatchObject({ ended: 2, exported: 2, stored: 2, joinedRequests: 1 });
    expect(tenants['globex']).toMatchObject({ stored: 1, joinedRequests: 0, p50: 10, slowestTraceId: '4'.repeat(32) });
  });

  it.each<[string, Sent[]]>([
    [
      'url.path says globex',
      [{ tenant: 'acme', trace: '1', span: '1', attributes: { 'url.path': '/tenants/globex/search' } }],
    ],
    [
      'session.id says globex',
      [{ tenant: 'acme', trace: '1', span: '1', attributes: { 'session.id': 'globex-session-1' } }],
    ],
    [
      'its trace says acme',
      [
        { tenant: 'acme', trace: '1', span: '1' },
        { tenant: 'globex', trace: '1', span: '2' },
      ],
    ],
    ['which is no tenant', [{ trace: '1', span: '1' }]],
  ])('finds a stray: %s', async (words, spans) => {
    await send(spans);
    const { strays } = await createReport(store, result);
    expect(strays).toHaveLength(1);
    expect(strays[0]).toContain(words);
  });
});
