/** When a span ends whose callback gives a generator: with its iteration, however that ends. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { searchSpan, withTelemetry } from '@cogniverse/foundation/telemetry';
import { trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

const error = new Error('the model went away');

async function* answer(tokens: readonly string[], end?: Error): AsyncGenerator<string, number> {
  for (const token of tokens) {
    await Promise.resolve();
    trace.getActiveSpan()?.addEvent(token);
    yield token;
  }
  if (end !== undefined) throw end;
  return tokens.length;
}

function* rows(count: number, end?: Error): Generator<number, string> {
  for (let row = 0; row < count; row += 1) {
    trace.getActiveSpan()?.addEvent(`row ${row}`);
    yield row;
  }
  if (end !== undefined) throw end;
  return 'all';
}

describe('a span around an async generator', () => {
  it('ends when the iteration ends, and is the active span in every step', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const stream = telemetry.span('answer', { tenantId: 'acme' }, () => answer(['a', 'b']));
    const told: unknown[] = [];
    for (let step = await stream.next(); ; step = await stream.next()) {
      await telemetry.forceFlush(5000);
      told.push(step.value, t.spans.length);
      if (step.done) break;
    }
    expect(told).toEqual(['a', 0, 'b', 0, 2, 1]);
    const span = (await flushed()).findSpan('answer');
    expect(span.events.map((event) => event.name)).toEqual(['a', 'b']);
    expect(span.statusCode).toBe('UNSET');
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  it('is given back as the same object, also by a promise', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const [one, two] = [answer([]), answer([])];
    expect(telemetry.span('value', { tenantId: 'acme' }, () => one)).toBe(one);
    expect(await telemetry.span('promise', { tenantId: 'acme' }, async () => two)).toBe(two);
    expect((await flushed()).spans).toEqual([]);
    await Promise.all([one.next(), two.next()]);
    expect((await flushed()).spans.map((span) => span.name).sort()).toEqual(['promise', 'value']);
  });

  it.each([
    ['breaks off', 'return', 'UNSET'],
    ['throws into it', 'throw', 'ERROR'],
  ] as const)('ends when the caller %s', async (_how, method, code) => {
    const { telemetry, flushed } = auditedTelemetry();
    const stream = telemetry.span('answer', { tenantId: 'acme' }, () => answer(['a', 'b']));
    await stream.next();
    if (method === 'return') expect(await stream.return(7)).toEqual({ value: 7, done: true });
    else await expect(stream.throw(error)).rejects.toBe(error);
    const span = (await flushed()).findSpan('answer');
    expect(span.statusCode).toBe(code);
    expect(span.events.map((event) => event.name)).toEqual(code === 'UNSET' ? ['a'] : ['a', 'exception']);
  });

  it('records what the generator throws, once, and rethrows it unchanged', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const read = async () => {
      for await (const _token of telemetry.span('answer', { tenantId: 'acme' }, () => answer(['a'], error)));
    };
    await expect(read()).rejects.toBe(error);
    const span = (await flushed()).findSpan('answer');
    expect(span).toMatchObject({ statusCode: 'ERROR', statusMessage: error.message });
    expect(span.events.map((event) => event.name)).toEqual(['a', 'exception']);
  });

  it('leaves the span of the reader alone: what the reader does between two steps is not inside', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    await telemetry.span('reader', { tenantId: 'acme' }, async () => {
      for await (const token of telemetry.span('answer', () => answer(['a', 'b']))) {
        telemetry.span(`shows ${token}`, () => undefined);
      }
    });
    await flushed();
    const reader = t.findSpan('reader').spanId;
    expect(['answer', 'shows a', 'shows b'].map((name) => t.findSpan(name).parentSpanId)).toEqual(
      Array(3).fill(reader),
    );
  });

  it('with synchronous export, the last step waits for the backend', async () => {
    const { telemetry, target } = auditedTelemetry({ batchConfig: { useSyncExport: true } });
    for await (const _token of telemetry.span('answer', { tenantId: 'acme' }, () => answer(['a'])));
    expect(target.spans.map(({ span }) => span.name)).toEqual(['answer']);
  });

  it('that nobody iterates any more ends when its generator is collected, and says so', async () => {
    // In a process of its own, for the flag is only safe from the start of one.
    const program = `
      import { createTestTelemetry } from '@cogniverse/foundation/telemetry/testing';
      const test = createTestTelemetry();
      async function* answer() { yield 'a'; yield 'b'; }
      const abandon = () => test.telemetry.span('answer', { tenantId: 'acme' }, () => answer()).next();
      await abandon();
      const deadline = Date.now() + 20_000;
      while (test.spans.length === 0 && Date.now() < deadline) {
        globalThis.gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      console.log(JSON.stringify(test.spans.map((span) => [span.name, span.events.map((event) => event.name)])));
      await test.shutdown();
    `;
    const args = ['--expose-gc', '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname });
    expect(JSON.parse(stdout)).toEqual([['answer', ['iteration.abandoned']]]);
  });
});

describe('a span around a sync generator', () => {
  it('ends when the iteration ends, is broken off, or throws', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const options = { tenantId: 'acme' };
    expect([...telemetry.span('all', options, () => rows(2))]).toEqual([0, 1]);
    for (const row of telemetry.span('part', options, () => rows(9))) if (row === 1) break;
    expect(() => [...telemetry.span('failed', options, () => rows(1, error))]).toThrow(error);
    await flushed();
    expect(t.spans.map((span) => [span.name, span.statusCode, span.events.length])).toEqual([
      ['all', 'UNSET', 2],
      ['part', 'UNSET', 2],
      ['failed', 'ERROR', 2],
    ]);
  });

  it('delegated to by yield* is covered as well', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const both = function* () {
      const result: string = yield* telemetry.span('inner', { tenantId: 'acme' }, () => rows(2));
      yield result;
    };
    expect([...both()]).toEqual([0, 1, 'all']);
    expect((await flushed()).findSpan('inner').events).toHaveLength(2);
  });
});

describe('who iterates sees no difference', () => {
  type Call = ['next' | 'return' | 'throw', number];
  const calls: fc.Arbitrary<Call[]> = fc.array(
    fc.tuple(fc.constantFrom<Call[0]>('next', 'next', 'return', 'throw'), fc.nat(9)),
    { maxLength: 8 },
  );
  /** Yields, catches or not, has a `finally` that yields, returns or throws: as the script says. */
  interface Script {
    readonly yields: number;
    readonly catches: boolean;
    readonly yieldsFinally: boolean;
    readonly throws: boolean;
  }
  const scripts: fc.Arbitrary<Script> = fc.record({
    yields: fc.nat(3),
    catches: fc.boolean(),
    yieldsFinally: fc.boolean(),
    throws: fc.boolean(),
  });
  function* sync(script: Script): Generator<string, string, number> {
    try {
      for (let at = 0; at < script.yields; at += 1) {
        try {
          const sent: number = yield `${at}`;
          yield `got ${sent}`;
        } catch (caught) {
          if (!script.catches) throw caught;
          yield `caught ${caught}`;
        }
      }
      if (script.throws) throw error;
      return 'all';
    } finally {
      if (script.yieldsFinally) yield 'finally';
    }
  }
  async function* async(script: Script): AsyncGenerator<string, string, number> {
    await Promise.resolve();
    return yield* sync(script);
  }

  const told = (step: () => unknown): unknown => {
    try {
      return { gave: step() };
    } catch (thrown) {
      return { threw: thrown };
    }
  };

  it('of a sync generator, whatever is called in whatever order; its span ends once, when the generator has', async () => {
    await fc.assert(
      fc.asyncProperty(scripts, calls, async (script, sequence) => {
        const { telemetry, flushed } = auditedTelemetry();
        const plain = sync(script);
        const watched = telemetry.span('watched', { tenantId: 'acme' }, () => sync(script));
        let isOver = false;
        for (const [method, value] of sequence) {
          const expected = told(() => plain[method](value as never));
          expect(told(() => watched[method](value as never))).toEqual(expected);
          isOver ||=
            'threw' in (expected as object) || (expected as { gave: IteratorResult<string> }).gave.done === true;
        }
        expect((await flushed()).spans).toHaveLength(isOver ? 1 : 0);
      }),
      { numRuns: 100 },
    );
  });

  it('of an async generator, also when calls do not wait for each other', async () => {
    await fc.assert(
      fc.asyncProperty(scripts, calls, async (script, sequence) => {
        const { telemetry, flushed } = auditedTelemetry();
        const plain = async(script);
        const watched = telemetry.span('watched', { tenantId: 'acme' }, () => async(script));
        const expected = await Promise.allSettled(sequence.map(([method, value]) => plain[method](value as never)));
        const seen = await Promise.allSettled(sequence.map(([method, value]) => watched[method](value as never)));
        expect(seen).toEqual(expected);
        const isOver = expected.some((step) => step.status === 'rejected' || step.value.done === true);
        expect((await flushed()).spans).toHaveLength(isOver ? 1 : 0);
      }),
      { numRuns: 100 },
    );
  });
});

describe('helpers and wrapped functions', () => {
  it('record the latency of the whole iteration', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const stream = searchSpan({ telemetry, tenantId: 'acme', query: 'cats' }, () => answer(['a']));
    await stream.next();
    const before = performance.now();
    while (performance.now() - before < 3);
    await stream.next();
    const span = (await flushed()).findSpan('search_service.search');
    expect(span.attributes['latency_ms']).toBeGreaterThanOrEqual(3);
  });

  it('cover a generator function wrapped by withTelemetry, arguments and all', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const traced = withTelemetry('llm.answer', { telemetry, tenantId: () => 'acme' }, answer);
    const tokens: string[] = [];
    for await (const token of traced(['a', 'b'])) tokens.push(token);
    expect(tokens).toEqual(['a', 'b']);
    expect((await flushed()).findSpan('llm.answer').events).toHaveLength(2);
  });
});

describe('what is no generator', () => {
  it('ends its span at once and comes back untouched: lists, maps, their iterators, streams, frozen and revoked objects', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const trap = {
      [Symbol.iterator]: () => [][Symbol.iterator](),
      get next(): never {
        throw error;
      },
    };
    const values = [
      [1, 2],
      new Map([[1, 2]]),
      new Map([[1, 2]]).values(),
      new ReadableStream(),
      Object.freeze(rows(1)),
      revoked.proxy,
      trap,
    ];
    for (const value of values) {
      const result = telemetry.span('value', { tenantId: 'acme' }, () => value);
      expect(Object.is(result, value)).toBe(true);
    }
    expect((await flushed()).spans).toHaveLength(values.length);
  });
});
