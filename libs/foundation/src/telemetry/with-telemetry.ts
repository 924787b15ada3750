/** Functions and methods that run in a span of their own.   Write path: application -> [with-telemetry] -> manager. */
import { z } from 'zod';
import { UNREADABLE } from './attribute-values.js';
import { requireOptions } from './config.js';
import { ConfigurationError } from './errors.js';
import type { SpanOptions, Telemetry } from './manager.js';
import { managerForRecording } from './process-manager.js';

/** Any function: what is given is given back as the same type, with its overloads and type parameters. */
// biome-ignore lint/suspicious/noExplicitAny: with "never", parameters that take their types from here could be called with nothing
type AnyFunction = (...args: any[]) => unknown;
type ArgumentsOf<F> = F extends (...args: infer A) => unknown ? A : never;

/**
 * Whence a value is taken, call by call: a path into the first argument (`tenantId`, `options.topK`, `items.0.id`), or a function of the
 * arguments. A path that leads nowhere gives nothing.
 */
export type ArgumentSource<A extends readonly unknown[], T = unknown> = string | ((...args: A) => T);

export interface WithTelemetryOptions<A extends readonly unknown[] = never[]>
  extends Pick<SpanOptions, 'projectName' | 'component' | 'kind'> {
  /** Where the tenant's id is. Without it, and where it gives nothing, the ambient tenant counts, as in `span()`. */
  readonly tenantId?: ArgumentSource<A, string | null | undefined> | undefined;
  /** Attributes of the span. One whose function throws is recorded as `[Unreadable]`. */
  readonly attributes?: Readonly<Record<string, ArgumentSource<A>>> | undefined;
  /** The manager to record with; the process-wide one by default. */
  readonly telemetry?: Telemetry | undefined;
}

const SOURCE_SCHEMA = z.union(
  [z.string().regex(/^[^.]+(\.[^.]+)*$/), z.custom<AnyFunction>((value) => typeof value === 'function')],
  'Give a path into the first argument ("tenantId", "options.topK"), or a function of the arguments',
);
const OPTIONS_SCHEMA = z.strictObject({
  tenantId: SOURCE_SCHEMA.optional(),
  attributes: z.record(z.string(), SOURCE_SCHEMA).optional(),
  projectName: z.string().optional(),
  component: z.string().optional(),
  kind: z.number().optional(),
  telemetry: z
    .custom<Telemetry>((value) => typeof (value as Partial<Telemetry> | null)?.span === 'function', 'Give a manager')
    .optional(),
});

type Reader = (args: readonly unknown[]) => unknown;

function readerOf(source: ArgumentSource<never[]>): Reader {
  if (typeof source === 'function') return (args) => source(...(args as never[]));
  const keys = source.split('.');
  return (args) => {
    let value = args[0];
    for (const key of keys) {
      if (value === undefined || value === null) return undefined;
      value = (value as Record<string, unknown>)[key];
    }
    return value;
  };
}

/** Wraps functions as the options say. Errors: `ConfigurationError`. */
class Instrumentation {
  readonly #spanName: string;
  readonly #options: WithTelemetryOptions;
  readonly #tenantId: Reader | undefined;
  readonly #attributes: readonly (readonly [key: string, read: Reader])[];

  constructor(call: string, spanName: string, options: WithTelemetryOptions) {
    if (typeof spanName !== 'string' || spanName === '') {
      throw new ConfigurationError(`${call} needs the name of its span first, a text that is not empty.`);
    }
    requireOptions(options, OPTIONS_SCHEMA, call);
    this.#spanName = spanName;
    this.#options = options;
    this.#tenantId = options.tenantId === undefined ? undefined : readerOf(options.tenantId);
    this.#attributes = Object.entries(options.attributes ?? {}).map(([key, source]) => [key, readerOf(source)]);
  }

  wrap<F extends AnyFunction>(fn: F): F {
    const instrumentation = this;
    // A method, for what is wrapped is called and never constructed.
    const { wrapped } = {
      wrapped(this: unknown, ...args: unknown[]): unknown {
        const { telemetry = managerForRecording() } = instrumentation.#options;
        return telemetry.span(instrumentation.#spanName, instrumentation.#spanOptions(args), () =>
          Reflect.apply(fn, this, args),
        );
      },
    };
    for (const key of Reflect.ownKeys(fn)) {
      const property = Object.getOwnPropertyDescriptor(fn, key)!;
      if (property.enumerable === true || key === 'name' || key === 'length') {
        Object.defineProperty(wrapped, key, property);
      }
    }
    return wrapped as F;
  }

  /** Read only where a span is recorded; what throws is the manager's to count, as with any options that cannot be read. */
  #spanOptions(args: readonly unknown[]): SpanOptions {
    const { projectName, component, kind } = this.#options;
    const tenantId = this.#tenantId;
    const readAttributes = () => this.#readAttributes(args);
    let attributes: Record<string, unknown> | undefined;
    return {
      projectName,
      component,
      kind,
      get tenantId() {
        return tenantId?.(args) as string | undefined;
      },
      get attributes() {
        attributes ??= readAttributes();
        return attributes;
      },
    };
  }

  #readAttributes(args: readonly unknown[]): Record<string, unknown> {
    const attributes: Record<string, unknown> = {};
    for (const [key, read] of this.#attributes) {
      try {
        attributes[key] = read(args);
      } catch {
        attributes[key] = UNREADABLE; // a function, or a getter of the argument's, threw
      }
    }
    return attributes;
  }
}

/**
 * Gives `fn` again, to run in a span on each call: `this`, arguments, result and errors are untouched, and name, length and type are its
 * own. The span ends as that of `span()`: for a promise when it settles, for a generator when its iteration ends.
 *
 * Errors: `ConfigurationError` for options that cannot be used. A call throws `MissingTenantError` if there is no tenant at all.
 */
export function withTelemetry<F extends AnyFunction>(
  spanName: string,
  options: WithTelemetryOptions<ArgumentsOf<F>>,
  fn: F,
): F {
  const instrumentation = new Instrumentation('withTelemetry()', spanName, options as WithTelemetryOptions);
  if (typeof fn !== 'function') throw new ConfigurationError('withTelemetry() needs a function as its last argument.');
  return instrumentation.wrap(fn);
}

// biome-ignore lint/suspicious/noExplicitAny: what the method takes is compared where it is known
type AnyArguments = any[];
type AnySource = ArgumentSource<AnyArguments>;

/** The options of `withTelemetry`; functions in them may take fewer arguments than the method. */
export interface TracedOptions<
  T extends AnyFunction = (...args: AnyArguments) => string | null | undefined,
  S extends Readonly<Record<string, AnySource>> = Readonly<Record<string, AnySource>>,
> extends Omit<WithTelemetryOptions, 'tenantId' | 'attributes'> {
  readonly tenantId?: string | T | undefined;
  readonly attributes?: S | undefined;
}

/** Refuses methods whose arguments are not those that the functions read. */
type ReadBy<Functions, F> = [Functions] extends [(...args: ArgumentsOf<F>) => unknown] ? unknown : never;

/**
 * `withTelemetry` as a decorator for methods: of instances and of classes, private ones, async ones and generators.
 *
 * A standard decorator (TC39): without TypeScript's `experimentalDecorators`. Errors: `ConfigurationError` where the class is defined.
 */
export function traced<
  T extends (...args: AnyArguments) => string | null | undefined,
  S extends Readonly<Record<string, AnySource>>,
>(
  spanName: string,
  options: TracedOptions<T, S> = {},
  // biome-ignore lint/suspicious/noExplicitAny: the constraint that ClassMethodDecoratorContext has
): <This, F extends (this: This, ...args: any) => any>(
  method: F & ReadBy<T | Exclude<S[keyof S], string>, F>,
  context: ClassMethodDecoratorContext<This, F>,
) => F {
  const instrumentation = new Instrumentation('@traced()', spanName, options);
  return (method, context) => {
    if (typeof context !== 'object' || context?.kind !== 'method') {
      throw new ConfigurationError(
        '@traced() is for methods, as a standard decorator: take it off accessors and fields, and experimentalDecorators out of tsconfig.json.',
      );
    }
    return instrumentation.wrap(method);
  };
}
