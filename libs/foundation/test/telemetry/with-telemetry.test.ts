/** Functions and methods that run in a span of their own: `withTelemetry`, and `@traced` compiled from decorator syntax. */
import {
  ConfigurationError,
  MissingTenantError,
  TelemetryManager,
  traced,
  withTelemetry,
} from '@cogniverse/foundation/telemetry';
import { memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { trace } from '@opentelemetry/api';
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

interface Request {
  tenantId?: string;
  query: string;
  options?: { topK?: number; tags?: string[] };
}

const acme: Request = { tenantId: 'acme', query: 'cats', options: { topK: 5, tags: ['a', 'b'] } };

describe('withTelemetry', () => {
  it('runs a function in a span, with tenant and attributes by path or from a function of all arguments', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const search = withTelemetry(
      'video_search.search',
      {
        telemetry,
        tenantId: 'tenantId',
        attributes: {
          query: 'query',
          top_k: 'options.topK',
          first_tag: 'options.tags.0',
          missing: 'options.filters.language',
          strategy: (_request: Request, strategy?: string) => strategy,
          'openinference.span.kind': () => 'CHAIN',
        },
      },
      (request: Request, strategy = 'bm25') => `${request.query} by ${strategy}`,
    );
    expect(search(acme, 'hybrid')).toBe('cats by hybrid');
    const { attributes, tenantId, statusCode } = (await flushed()).findSpan('video_search.search');
    expect(tenantId).toBe('acme');
    expect(statusCode).toBe('UNSET');
    expect(attributes).toEqual({
      'tenant.id': 'acme',
      'service.name': 'video-search',
      environment: 'development',
      query: 'cats',
      top_k: 5,
      first_tag: 'a',
      strategy: 'hybrid',
      'openinference.span.kind': 'CHAIN',
    });
  });

  it('takes project, component and kind as span() does', async () => {
    const { t, telemetry, flushed } = auditedTelemetry({ level: 'detailed' });
    const options = { telemetry, tenantId: () => 'acme', projectName: 'search', kind: 2 };
    withTelemetry('recorded', { ...options, component: 'encoder' }, () => 1)();
    expect(withTelemetry('left out', { ...options, component: 'pipeline' }, () => 2)()).toBe(2);
    await flushed();
    expect(t.findSpans(({ project }) => project === 'cogniverse-acme-search').map(({ name }) => name)).toEqual([
      'recorded',
    ]);
    expect(t.findSpan('recorded').kind).toBe('CLIENT');
  });

  it('keeps this, name, length, own properties and the type of the function', () => {
    const { telemetry } = auditedTelemetry();
    function scale(this: { factor: number }, value: number, _unit: string): number {
      return this.factor * value;
    }
    const unit = Symbol('unit');
    const withMeta = Object.assign(scale, { version: 3, [unit]: 'm' });
    const wrapped = withTelemetry('scale', { telemetry, tenantId: () => 'acme' }, withMeta);
    expectTypeOf(wrapped).toEqualTypeOf<typeof withMeta>();
    expect(wrapped.call({ factor: 2 }, 21, 'm')).toBe(42);
    expect([wrapped.name, wrapped.length, wrapped.version, wrapped[unit]]).toEqual(['scale', 2, 3, 'm']);
    const identity = withTelemetry('identity', { telemetry, tenantId: () => 'acme' }, <T>(value: T): T => value);
    expectTypeOf(identity('text' as const)).toEqualTypeOf<'text'>();
    function parse(text: string): string;
    function parse(number: number): number;
    function parse(value: unknown): unknown {
      return value;
    }
    const overloaded = withTelemetry('parse', { telemetry, tenantId: () => 'acme' }, parse);
    expectTypeOf(overloaded('text')).toEqualTypeOf<string>();
    expectTypeOf(overloaded(5)).toEqualTypeOf<number>();
    // @ts-expect-error: the arguments of the options' functions are those of the function
    withTelemetry('x', { attributes: { n: (n: number) => n } }, (text: string) => text);
  });

  it('is the active span inside, and the parent of spans in there', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const inner = withTelemetry('inner', { telemetry }, () => trace.getActiveSpan()?.setAttribute('seen', true));
    withTelemetry('outer', { telemetry, tenantId: 'tenantId' }, (_request: Request) => inner())(acme);
    await flushed();
    expect(t.findSpan('inner').parentSpanId).toBe(t.findSpan('outer').spanId);
    expect(t.findSpan('inner').attributes['seen']).toBe(true);
    expect(t.findSpan('inner').tenantId).toBe('acme');
  });

  it('records what is thrown, sync and async, and throws it on unchanged', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const options = { telemetry, tenantId: 'tenantId' };
    const error = new Error('index is gone');
    const sync = withTelemetry('sync', options, (_request: Request) => {
      throw error;
    });
    const async = withTelemetry('async', options, async (_request: Request) => {
      await Promise.resolve();
      throw error;
    });
    expect(() => sync(acme)).toThrow(error);
    await expect(async(acme)).rejects.toBe(error);
    await flushed();
    for (const name of ['sync', 'async']) {
      expect(t.findSpan(name)).toMatchObject({ statusCode: 'ERROR', statusMessage: 'index is gone' });
      expect(t.findSpan(name).events.map((event) => event.name)).toEqual(['exception']);
    }
  });

  it('a tenant that is missing is the ambient one; without that it is the caller’s mistake', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const search = withTelemetry('search', { telemetry, tenantId: 'tenantId' }, (request: Request) => request.query);
    expect(telemetry.withTenant('globex', () => search({ query: 'cats' }))).toBe('cats');
    expect(() => search({ query: 'cats' })).toThrow(MissingTenantError);
    expect(() => search(undefined as never)).toThrow(MissingTenantError);
    expect((await flushed()).spans.map((span) => span.tenantId)).toEqual(['globex']);
  });

  it('is not harmed by functions and getters that throw: an attribute is unreadable, a tenant is refused and counted', async () => {
    const { t, telemetry, flushed, warnings } = auditedTelemetry();
    const fail = () => {
      throw new Error('extractor');
    };
    const trap = {
      get query(): string {
        throw new Error('getter');
      },
    };
    const attributes = { computed: fail, query: 'query', size: () => 1 };
    const named = withTelemetry('named', { telemetry, tenantId: () => 'acme', attributes }, (_: Request) => 'ran');
    expect(named(trap)).toBe('ran');
    const refused = withTelemetry('refused', { telemetry, tenantId: fail }, () => 'ran');
    expect(telemetry.withTenant('globex', refused)).toBe('ran');
    await flushed();
    expect(t.spans.map((span) => span.name)).toEqual(['named']);
    expect(t.findSpan('named').attributes).toMatchObject({
      computed: '[Unreadable]',
      query: '[Unreadable]',
      size: 1,
    });
    expect(telemetry.getStats().export.total.dropped['invalid']).toBe(1);
    expect(warnings.join()).toContain('extractor');
  });

  it('reads nothing where no span is recorded', () => {
    const { telemetry } = auditedTelemetry({ enabled: false });
    let reads = 0;
    const count = () => {
      reads += 1;
      return 'acme';
    };
    expect(withTelemetry('x', { telemetry, tenantId: count, attributes: { a: count } }, () => 5)()).toBe(5);
    expect(reads).toBe(0);
  });

  it('refuses options that cannot be used when the function is wrapped', () => {
    const refused: [string, () => unknown][] = [
      ['name of its span', () => withTelemetry('', {}, () => 1)],
      ['tenantId', () => withTelemetry('x', { tenantId: 'options..topK' }, () => 1)],
      ['attributes.a', () => withTelemetry('x', { attributes: { a: 5 as never } }, () => 1)],
      ['Unknown option', () => withTelemetry('x', { attribute: {} } as never, () => 1)],
      ['function', () => withTelemetry('x', {}, undefined as never)],
      ['takes an object', () => traced('x', null as never)],
    ];
    for (const [text, call] of refused) {
      expect(call, text).toThrow(ConfigurationError);
      expect(call, text).toThrow(text);
    }
  });

  describe('without a manager given', () => {
    afterEach(() => TelemetryManager.reset());

    it('uses the one of the process, as it is when the function is called', async () => {
      const search = withTelemetry('search', { tenantId: 'tenantId' }, (request: Request) => request.query);
      const target = memoryTarget();
      const manager = new TelemetryManager({ flushOnExit: false }, { environment: {}, exportTarget: () => target });
      search(acme);
      expect(await manager.forceFlush(5000)).toBe(true);
      expect(target.spans.map(({ span }) => span.name)).toEqual(['search']);
    });
  });
});

describe('@traced', () => {
  it('traces methods of instances and of classes, private ones, async ones and generators', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const options = { telemetry, tenantId: 'tenantId', attributes: { query: 'query' } };

    class Service {
      readonly #suffix = '!';

      @traced('instance', options)
      search(request: Request): string {
        return this.#encode(request) + this.#suffix;
      }

      @traced('private', options)
      #encode(request: Request): string {
        return request.query + this.#suffix;
      }

      @traced('async', options)
      async later(request: Request): Promise<string> {
        await Promise.resolve();
        return this.#suffix + request.query;
      }

      @traced('static', options)
      static count(request: Request): number {
        return request.query.length;
      }

      @traced('generator', options)
      async *words(request: Request): AsyncGenerator<string> {
        yield request.query;
        yield this.#suffix;
      }

      @traced('typed', { telemetry, tenantId: (request: Request) => request.tenantId })
      typed(request: Request, limit?: number): number {
        return request.query.length + (limit ?? 0);
      }
    }

    const service = new Service();
    expect(service.search(acme)).toBe('cats!!');
    expect(await service.later(acme)).toBe('!cats');
    expect(Service.count(acme)).toBe(4);
    const words: string[] = [];
    for await (const word of service.words(acme)) words.push(word);
    expect(words).toEqual(['cats', '!']);
    expect(service.typed(acme, 2)).toBe(6);
    expect([service.search.name, service.search.length]).toEqual(['search', 1]);
    await flushed();
    expect(t.spans.map((span) => span.name).sort()).toEqual([
      'async',
      'generator',
      'instance',
      'private',
      'static',
      'typed',
    ]);
    expect(t.findSpan('private').parentSpanId).toBe(t.findSpan('instance').spanId);
    expect(t.findSpan('static').attributes['query']).toBe('cats');
  });

  it('keeps the types of methods: type parameters, overloads, optional parameters, this', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const options = { telemetry, tenantId: () => 'acme' };
    class Typed {
      readonly #found = ['a'];

      @traced('generic', options)
      first<T>(values: readonly T[], otherwise?: T): T | undefined {
        return values[0] ?? otherwise;
      }

      parse(text: string): string;
      parse(number: number): number;
      @traced('overloaded', options)
      parse(value: unknown): unknown {
        return value;
      }

      @traced('with this', { ...options, attributes: { text: (text: string) => text } })
      search(this: Typed, text: string, _limit = 5): string[] {
        return [...this.#found, text];
      }
    }
    const typed = new Typed();
    expectTypeOf(typed.first([1])).toEqualTypeOf<number | undefined>();
    expectTypeOf(typed.parse('text')).toEqualTypeOf<string>();
    expect([typed.first(['x']), typed.first([], 'y'), typed.parse(5), typed.search('b')]).toEqual([
      'x',
      'y',
      5,
      ['a', 'b'],
    ]);
    expect((await flushed()).findSpan('with this').attributes['text']).toBe('b');
  });

  it('works with inheritance: an override traced as well is a span inside of its own', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const tenantId = () => 'acme';
    class Base {
      @traced('base', { telemetry })
      run(): string {
        return 'base';
      }
    }
    class Derived extends Base {
      @traced('derived', { telemetry, tenantId })
      override run(): string {
        return `derived of ${super.run()}`;
      }
    }
    expect(new Derived().run()).toBe('derived of base');
    await flushed();
    expect(t.findSpan('base').parentSpanId).toBe(t.findSpan('derived').spanId);
  });

  it('is refused on anything but methods: by its type, and where the class is defined', () => {
    expect(() => {
      class Accessors {
        // @ts-expect-error: a getter is not a method
        @traced('size', {})
        get size(): number {
          return 1;
        }
      }
      return Accessors;
    }).toThrow('@traced() is for methods');
    expect(() => {
      class Mismatch {
        // @ts-expect-error: the options read a number, the method takes a text
        @traced('mismatch', { attributes: { n: (n: number) => n }, tenantId: () => 'acme' })
        read(text: string): string {
          return text;
        }
      }
      return new Mismatch();
    }).not.toThrow();
    // What TypeScript's older decorators pass: the prototype, the name, the descriptor.
    const legacy = traced('x') as unknown as (target: object, key: string) => void;
    expect(() => legacy({}, 'method')).toThrow('experimentalDecorators');
  });
});
