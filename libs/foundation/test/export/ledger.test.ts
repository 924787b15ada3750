/** Counters of all fates, and the lines about drops. */
import { ManualClock } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';
import { DropLog } from '../../dist/telemetry/export/drop-log.js';
import { Ledger } from '../../dist/telemetry/export/ledger.js';
import { prometheusText } from '../../dist/telemetry/export/ledger-metrics.js';

describe('the ledger', () => {
  it('names the first equation that does not hold', () => {
    const ledger = new Ledger();
    const tenant = ledger.tenant('acme');
    tenant.ended = 3;
    tenant.exported = 1;
    tenant.countDropped('queue_full', 1);
    expect(ledger.audit()).toBe(
      'tenant "acme": ended 3 is not unsampled 0 + held 0 + queued 0 + inFlight 0 + spooled 0 + exported 1 + rejected 0 + sampledOut 0 + dropped 1 (queue_full 1) = 2',
    );
    tenant.held = 1;
    expect(ledger.audit()).toBeNull();
    tenant.queued = -1;
    expect(ledger.audit()).toBe('tenant "acme": queued is -1');
  });

  it('keeps a bounded number of tenants: idle ones become one aggregate, and no count is lost', () => {
    const ledger = new Ledger({ maxTenants: 100 });
    const live = ledger.tenant('live');
    live.ended = 1;
    live.queued = 1;
    const pinned = ledger.tenant('pinned');
    pinned.pins = 1;
    for (let index = 0; index < 10_000; index += 1) {
      const tenant = ledger.tenant(`t${index}`);
      tenant.ended += 2;
      tenant.exported += 1;
      tenant.countDropped('queue_full', 1);
    }
    expect([...ledger.tenants()].length).toBeLessThanOrEqual(101);
    expect(ledger.tenant('live')).toBe(live);
    expect(ledger.tenant('pinned')).toBe(pinned);
    expect(ledger.total()).toMatchObject({
      ended: 20_001,
      exported: 10_000,
      queued: 1,
      dropped: { queue_full: 10_000 },
    });
    expect(ledger.audit()).toBeNull();
    const { tenants, folded, total } = ledger.snapshot();
    const ended = Object.values(tenants).reduce((sum, counts) => sum + counts.ended, folded.ended);
    expect(ended).toBe(total.ended);
  });

  it('takes any tenant id as a plain key', () => {
    const ledger = new Ledger();
    for (const id of ['__proto__', 'constructor', '']) ledger.tenant(id).countDropped('invalid', 1);
    expect(Object.keys(ledger.snapshot().tenants)).toEqual(['__proto__', 'constructor', '']);
  });
});

describe('the drop log', () => {
  it('gathers a burst into one line with tenant, reason and count', async () => {
    const { lines, clock, log } = start(10);
    for (let index = 0; index < 500; index += 1) log.record('acme', 'queue_full', 1);
    log.record('evil\n\u001b[31m', 'no_tenant', 2);
    expect(lines).toEqual([]);
    await clock.advance(1000);
    expect(lines).toEqual([
      'dropped 500 spans of tenant "acme": queue_full',
      'dropped 2 spans of tenant "evil\\n\\u001b[31m": no_tenant',
    ]);
  });

  it('writes at most so many lines a minute, and says the rest later', async () => {
    const { lines, clock, log } = start(3);
    for (let index = 0; index < 5; index += 1) log.record(`t${index}`, 'queue_full', 10 - index);
    await clock.advance(59_999);
    expect(lines).toHaveLength(3);
    await clock.advance(1);
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toBe('dropped 6 spans of tenant "t4": queue_full');
  });

  it('holds a bounded number of tenants', async () => {
    const { lines, clock, log } = start(100_000);
    for (let index = 0; index < 3000; index += 1) log.record(`t${index}`, 'queue_full', 1);
    await clock.advance(1000);
    expect(lines).toHaveLength(1001);
    expect(lines[0]).toBe('dropped 2000 spans of further tenants (see getStats())');
  });

  it('says nothing where the rate is 0, and what waits when it is closed', () => {
    const silent = start(0);
    silent.log.record('acme', 'queue_full', 1);
    expect(silent.clock.pending).toBe(0);
    const { lines, clock, log } = start(10);
    log.record('acme', 'queue_full', 1);
    log.close();
    expect(lines).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  function start(maxRatePerMinute: number) {
    const lines: string[] = [];
    const clock = new ManualClock();
    return {
      lines,
      clock,
      log: new DropLog({
        logger: { warn: (line) => lines.push(line.replace('[cogniverse telemetry] ', '')) },
        maxRatePerMinute,
        clock,
      }),
    };
  }
});

describe('the Prometheus page', () => {
  it('has every counter of every tenant, with labels that cannot break out', () => {
    const ledger = new Ledger();
    const tenant = ledger.tenant('a"b\\c\nd');
    Object.assign(tenant, { started: 9, ended: 8, queued: 1, exported: 4, rejected: 1, ambiguous: 2 });
    tenant.countDropped('queue_full', 2);
    const text = prometheusText(ledger);
    const label = 'tenant="a\\"b\\\\c\\nd"';
    for (const line of [
      `cogniverse_spans_ended_total{${label}} 8`,
      `cogniverse_spans{${label},state="queued"} 1`,
      `cogniverse_spans_settled_total{${label},fate="exported"} 4`,
      `cogniverse_spans_settled_total{${label},fate="rejected"} 1`,
      `cogniverse_spans_dropped_total{${label},reason="queue_full"} 2`,
      `cogniverse_spans_ambiguous_total{${label}} 2`,
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text.endsWith('\n')).toBe(true);
  });
});
