import { type ScriptedBackend, startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ProgramOptions, runProgram } from './run-program.js';

let backend: ScriptedBackend;
beforeEach(async () => {
  backend = await startScriptedBackend();
});
afterEach(() => backend.close());

const run = (mode: string, options: ProgramOptions = {}, endpoint = `${backend.httpEndpoint}/v1/traces`) =>
  runProgram('exit-app.mjs', { ...options, args: [endpoint, mode] });

describe('the end of a process', () => {
  it('flushes what is queued when the event loop is empty, and keeps the exit code', async () => {
    expect(await run('plain')).toMatchObject({ code: 0, stderr: '' });
    expect(backend.acceptedSpans).toHaveLength(100);
    expect(await run('code', {}, backend.grpcEndpoint)).toMatchObject({ code: 7, stderr: '' });
    expect(backend.acceptedSpans).toHaveLength(200);
    expect(await run('held')).toMatchObject({ code: 0 });
    expect(backend.acceptedSpans).toHaveLength(300);
  });

  it('leaves it to the application where that is asked for', async () => {
    expect(await run('no-flush')).toMatchObject({ code: 0, stderr: '' });
    expect(backend.acceptedSpans).toHaveLength(0);
  });

  it('is not held up for more than 5 s by a backend that never answers, and what is left undelivered is said', async () => {
    backend.setScript(() => ({ fault: 'never' }));
    const start = performance.now();
    const { code, stderr } = await run('plain');
    expect(code).toBe(0);
    expect(stderr).toContain('The process ends with 100 spans undelivered');
    expect(performance.now() - start).toBeLessThan(15_000);
  });

  it("flushes on a signal and ends by the same; or leaves the end to the application's own handler", async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      expect(await run('signal', { signal })).toMatchObject({ code: null, signal });
    }
    expect(backend.acceptedSpans).toHaveLength(200);
    expect(await run('own-handler', { signal: 'SIGTERM' })).toMatchObject({ code: 3, signal: null });
    expect(backend.acceptedSpans).toHaveLength(300);
  });

  it('flushes after an uncaught exception, which is shown, and exits with 1', async () => {
    const result = await run('throw');
    expect(result).toMatchObject({ code: 1, signal: null });
    expect(result.stderr).toContain('nobody catches this');
    expect(backend.acceptedSpans).toHaveLength(100);
  });
});
