import { ServerLedger } from '@cogniverse/server';
import { expect, it } from 'vitest';

const stored = (tenantId: string | null, accepted: number, rejected = 0, duplicate = 0) =>
  ({
    status: 'stored',
    acceptedSpans: accepted,
    rejectedSpans: rejected,
    message: '',
    tenants: [{ tenantId, accepted, rejected, duplicate }],
  }) as const;

it('counts per tenant, and received is acknowledged plus rejected', () => {
  const ledger = new ServerLedger({ maxTenants: 10 });
  ledger.count(stored('acme', 3, 1));
  ledger.count(stored('acme', 2, 0, 2));
  ledger.count(stored(null, 1));
  ledger.count({ status: 'overloaded', retryAfterMillis: 1, message: '' });
  ledger.count({ status: 'invalid', code: 'malformed', message: '' });
  expect(ledger.snapshot()).toEqual({
    tenants: [
      { tenantId: 'acme', received: 6, acknowledged: 5, rejected: 1, duplicate: 2, stored: 3 },
      { tenantId: null, received: 1, acknowledged: 1, rejected: 0, duplicate: 0, stored: 1 },
    ],
    others: { received: 0, acknowledged: 0, rejected: 0, duplicate: 0, stored: 0 },
    total: { received: 7, acknowledged: 6, rejected: 1, duplicate: 2, stored: 4 },
    requests: { stored: 3, invalid: 1, overloaded: 1, unavailable: 0 },
  });
});

it('keeps a bounded number of tenants apart and loses no span of the others', () => {
  const ledger = new ServerLedger({ maxTenants: 2 });
  for (let i = 0; i < 1000; i += 1) ledger.count(stored(`tenant-${i}`, 1));
  const { tenants, others, total } = ledger.snapshot();
  expect(tenants).toHaveLength(2);
  expect(others.acknowledged).toBe(998);
  expect(total.acknowledged).toBe(1000);
});
