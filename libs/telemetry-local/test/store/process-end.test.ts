import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { openLocalStore } from '../../dist/index.js';

const run = promisify(execFile);
const dataDir = mkdtempSync(join(tmpdir(), 'cogniverse-end-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

it('process.exit() in the middle of writes, flushes and queries ends cleanly, and loses nothing that was acknowledged', async () => {
  let acknowledged = 0;
  let next = 0;
  for (const millis of [50, 120, 200, 310, 430, 600]) {
    const { stdout, stderr } = await run(process.execPath, [
      join(import.meta.dirname, 'fixtures/ending-process.mjs'),
      dataDir,
      String(millis),
      String(next),
    ]);
    expect(stderr).toBe('');
    const [count, last] = stdout.trim().split(' ').map(Number);
    acknowledged += count!;
    next = last!;
  }
  const store = await openLocalStore({ dataDir });
  const [tenant] = await store.listTenants();
  await store.shutdown();
  expect(acknowledged).toBeGreaterThan(0);
  expect(tenant!.spanCount).toBeGreaterThanOrEqual(acknowledged);
  expect(tenant!.spanCount).toBeLessThanOrEqual(next);
}, 60_000);

it('process.exit() right after the first span ends cleanly, while the spans that were there are being read', async () => {
  for (let round = 0; round < 10; round++) {
    const first = String(10_000_000 + 50 * round);
    const { stderr } = await run(process.execPath, [
      join(import.meta.dirname, 'fixtures/ending-process.mjs'),
      dataDir,
      '0',
      first,
    ]);
    expect(stderr).toBe('');
  }
}, 60_000);
