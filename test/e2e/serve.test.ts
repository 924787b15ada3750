/** `cogniverse serve` as a process: ready, stopped, started again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bodyOf } from './crash/spans.js';
import { serve } from './serve.js';

const data = mkdtempSync(join(tmpdir(), 'cogniverse serve '));
afterAll(() => rmSync(data, { recursive: true, force: true }));

describe('cogniverse serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends with code 0 on %s, with all it took on disk', async (signal) => {
    const server = await serve(data);
    const body = bodyOf(Array.from({ length: 20 }, (_, i) => i));
    const response = await fetch(server.otlpHttp, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body,
    });
    expect(response.status).toBe(200);
    server.process.kill(signal);
    expect(await server.exited, server.log()).toBe(0);

    const again = await serve(data);
    const { data: tenants } = (await (await fetch(`${again.http}/v1/cogniverse/tenants`)).json()) as {
      data: unknown[];
    };
    expect(tenants).toMatchObject([{ tenant_id: 'tenant-0', span_count: 20 }]);
    expect(await again.stop(), again.log()).toBe(0);
  });
});
