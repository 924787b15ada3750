/** What exporting does to its process: whether it may end, and what it holds in memory. In processes of their own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';
import { Ledger } from '../../dist/telemetry/export/ledger.js';
import { otlpTarget } from '../../dist/telemetry/export/otlp-target.js';
import { ExportPipeline } from '../../dist/telemetry/export/pipeline.js';
import { Spool } from '../../dist/telemetry/export/spool.js';

interface Run {
  code: number;
  seconds: number;
  result: Record<string, unknown>;
}

async function run(task: Record<string, unknown>): Promise<Run> {
  const file = fileURLToPath(new URL('./fixtures/exporting-process.mjs', import.meta.url));
  const start = performance.now();
  const child = spawn(process.execPath, ['--expose-gc', file, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, seconds: (performance.now() - start) / 1000, result: JSON.parse(output) as Record<string, unknown> };
}

describe.each(['http/protobuf', 'grpc'])('a process that exports over %s', (protocol) => {
  it('stays until a flush is done, and then ends by itself', async () => {
    const backend = await startScriptedBackend();
    const endpoint = protocol === 'grpc' ? backend.grpcEndpoint : backend.httpEndpoint;
    let answer: () => void = () => undefined;
    backend.setScript((_request, index) =>
      index === 0
        ? {
            after: new Promise<void>((resolve) => {
              answer = resolve;
            }),
          }
        : {},
    );
    const ended = run({ task: 'flush', endpoint, protocol, count: 1500 });
    await backend.waitForRequests(1);
    setTimeout(answer, 300); // later than anything else that could hold the process
    expect(await ended).toMatchObject({ code: 0, result: { flushed: true, exported: 1500, audit: null } });
    await backend.close();
  });

  it('is kept neither by spans that wait nor by a backend that does not listen', async () => {
    const { code, result } = await run({ task: 'leave', endpoint: 'http://127.0.0.1:9', protocol, count: 5000 });
    expect({ code, audit: result['audit'] }).toEqual({ code: 0, audit: null });
  });
});

it('is not kept by an HTTP request that is never answered', async () => {
  const backend = await startScriptedBackend({ script: () => ({ fault: 'never' }) });
  const { code, seconds } = await run({
    task: 'leave',
    endpoint: backend.httpEndpoint,
    protocol: 'http/protobuf',
    count: 5000,
  });
  expect(code).toBe(0);
  expect(seconds).toBeLessThan(25); // the deadline of the attempt would be 30 s
  await backend.close();
});

describe('memory', () => {
  it('of 10,000 idle tenants is under 20 MB', async () => {
    const { result } = await run({ task: 'idle-tenants', count: 10_000 });
    expect(result).toMatchObject({ projects: 10_000, audit: null });
    expect(Number(result['bytes'])).toBeLessThan(20e6);
  });

  it('of a queued span is at most 100 bytes above its encoded size', async () => {
    const { result } = await run({ task: 'queued-spans', count: 50_000 });
    const over = Number(result['bytes']) / 50_000 - Number(result['spanBytes']);
    expect(result['audit']).toBeNull();
    expect(over).toBeLessThan(100);
  });

  it('stays flat over tenants that come and go', async () => {
    const { result } = await run({ task: 'passing-tenants', count: 80_000 });
    expect(result).toMatchObject({ projects: 0, exported: 80_000, audit: null });
    expect(Number(result['bytes'])).toBeLessThan(3e6);
  });
});

describe('a process that is killed', () => {
  it.each([1, 2, 3])(
    'leaves its spool to the next one, which delivers all that was on the disk (round %i)',
    async (round) => {
      const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'spool-kill-'));
      const backend = await startScriptedBackend();
      const endpoint = backend.httpEndpoint;
      backend.setScript(() => ({ status: 503 }));
      const file = fileURLToPath(new URL('./fixtures/exporting-process.mjs', import.meta.url));
      const child = spawn(
        process.execPath,
        [file, JSON.stringify({ task: 'spool', endpoint, protocol: 'http/protobuf', directory })],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let spooled = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        const said = JSON.parse(line) as { spooled: number; audit: string | null };
        expect(said.audit).toBeNull();
        spooled = said.spooled;
        if (spooled > round * 1000) break;
      }
      child.kill('SIGKILL');
      await once(child, 'close');

      backend.setScript(() => ({}));
      const ledger = new Ledger();
      const pipeline = new ExportPipeline({ ledger, logger: { warn: () => undefined } });
      pipeline.attachSpool(await Spool.open({ directory }, pipeline.clock, { warn: () => undefined }));
      const { ended } = ledger.total();
      expect(ended).toBeGreaterThanOrEqual(spooled);
      const before = backend.acceptedSpans.length;
      pipeline.openProject({
        tenantId: 'acme',
        projectName: 'p',
        target: otlpTarget({ endpoint, protocol: 'http/protobuf' }),
        maxQueueSize: 1,
      });
      await expect.poll(() => ledger.total().exported, { timeout: 15_000 }).toBe(ended);
      const names = backend.acceptedSpans.slice(before).map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(names).toHaveLength(ended);
      expect(pipeline.audit()).toBeNull();
      await pipeline.shutdown(1000);
      await backend.close();
      await fs.rm(directory, { recursive: true, force: true });
    },
  );
});
