/** Random programs of several tenants: nothing of one may ever be in what is sent for another. */

import { MissingTenantError, type Telemetry } from '@cogniverse/foundation/telemetry';
import { context, type Span, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Span as InternalSpan } from '../../dist/telemetry/span.js';
import { auditedTelemetry } from './audited-telemetry.js';

const TENANTS = ['acme', 'globex', 'initech', 'bad/id'];

type Node = {
  readonly kind: string;
  readonly tenant: string | undefined;
  readonly pick: number;
  readonly pause: boolean;
  readonly inner: readonly Node[];
};

const step = (inner: fc.Arbitrary<readonly Node[]>): fc.Arbitrary<Node> =>
  fc.record({
    kind: fc.constantFrom(
      'span',
      'root span',
      'started',
      'with parent',
      'linked',
      'withTenant',
      'session',
      'library',
      'bound',
      'withSpan',
      'inbound',
    ),
    tenant: fc.constantFrom(...TENANTS, undefined, undefined, undefined),
    pick: fc.nat(50),
    pause: fc.boolean(),
    inner,
  });
/** Four levels, three steps on each at most. */
let tree = step(fc.constant([]));
for (let level = 0; level < 3; level += 1) tree = step(fc.array(tree, { maxLength: 3 }));

class Run {
  readonly spans: Span[] = [];
  started = 0;
  readonly #telemetry: Telemetry;
  readonly #library;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
    this.#library = telemetry.tracerProvider.getTracer('library');
  }

  async all(nodes: readonly Node[]): Promise<void> {
    await Promise.all(nodes.map((node) => this.one(node)));
  }

  /** One step; a call without any tenant is the caller's mistake, and its own error. */
  async one(node: Node): Promise<void> {
    if (node.pause) await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      await this.#apply(node);
    } catch (error) {
      if (!(error instanceof MissingTenantError)) throw error;
    }
  }

  #any(pick: number): Span | undefined {
    return this.spans[pick % Math.max(this.spans.length, 1)];
  }

  async #apply({ kind, tenant, pick, inner }: Node): Promise<void> {
    const telemetry = this.#telemetry;
    const known = this.#any(pick);
    const name = `${kind} of ${tenant}`;
    const within = async (span: Span) => {
      this.spans.push(span);
      await this.all(inner);
    };
    switch (kind) {
      case 'span':
        return telemetry.span(name, { tenantId: tenant }, within);
      case 'root span':
        return telemetry.span(name, { tenantId: tenant, root: true }, within);
      case 'linked':
        return telemetry.span(name, { tenantId: tenant, links: known && [{ context: known.spanContext() }] }, within);
      case 'with parent':
        return telemetry.span(name, { tenantId: tenant, parent: known }, within);
      case 'started': {
        const span = telemetry.startSpan(name, { tenantId: tenant, parent: known?.spanContext() });
        await within(span);
        return span.end();
      }
      case 'withTenant':
        return telemetry.withTenant(tenant as string, () => this.all(inner));
      case 'session':
        return telemetry.session({ tenantId: tenant, sessionId: `session of ${tenant}` }, () => this.all(inner));
      case 'bound': {
        const tracer = telemetry.getTracer(tenant ?? 'acme');
        return tracer?.startActiveSpan(name, (span) => within(span).finally(() => span.end()));
      }
      case 'library':
      case 'inbound': {
        const start = () => this.#library.startActiveSpan(name, (span) => within(span).finally(() => span.end()));
        return kind === 'library' ? start() : context.with(trace.deleteSpan(context.active()), start);
      }
      default:
        if (known !== undefined) await telemetry.withSpan(known, () => this.all(inner));
    }
  }
}

it('no trace, parent, link or session of one tenant is ever in a span of another', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(tree, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(1, 2, 100),
      async (program, maxCachedTenants) => {
        const { t, telemetry, target, flushed } = auditedTelemetry({ maxCachedTenants, maxHeldSpans: 5 });
        const run = new Run(telemetry);
        await run.all(program);
        await flushed();
        expect(target.spans).toHaveLength(t.spans.length);
        // Of every span, also of those that were dropped; undefined: it never had a tenant.
        const tenantOfSpan = new Map(
          run.spans.map((span) => [span.spanContext().spanId, (span as InternalSpan).project?.tenantId]),
        );
        const tenantOfTrace = new Map<string, string>();
        for (const span of t.spans) {
          const tenantId = span.tenantId!;
          const of = (other: string | undefined) => expect(other ?? tenantId).toBe(tenantId);
          of(tenantOfTrace.get(span.traceId));
          tenantOfTrace.set(span.traceId, tenantId);
          of(tenantOfSpan.get(span.parentSpanId ?? ''));
          expect(span.parentSpanId).not.toBe(span.spanId);
          for (const link of span.links) of(tenantOfSpan.get(link.spanId));
          expect(span.project.startsWith(`cogniverse-${tenantId}`)).toBe(true);
          expect(span.attributes['tenant.id']).toBe(tenantId);
          expect(span.resource['tenant.id']).toBe(tenantId);
          const session = span.attributes['session.id'];
          if (session !== undefined && session !== 'session of undefined')
            expect(session).toBe(`session of ${tenantId}`);
          const named = /of (\S+)$/.exec(span.name)![1]!;
          if (named !== 'undefined' && !/^(library|inbound)/.test(span.name)) expect(tenantId).toBe(named);
        }
        const { total } = telemetry.getStats().export;
        expect(total).toMatchObject({ started: total.ended, held: 0, exported: t.spans.length });
        expect(Object.keys(total.dropped).filter((reason) => !['invalid', 'no_tenant'].includes(reason))).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});
