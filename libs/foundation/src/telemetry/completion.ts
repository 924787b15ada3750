/**
 * When what a callback gave is complete: a promise when it settles, a generator when its iteration ends.   Write path: span() -> [completion] -> end of the span.
 *
 * A generator is given back as the same object, with its `next`, `return` and `throw` watched: who iterates it sees no difference.
 */

/** What to do when a result is complete. One of the three endings is called, once. */
export interface Completion {
  /** What it gives is waited for, where the caller waits anyway. */
  done(): Promise<void> | undefined;
  failed(error: unknown): Promise<void> | undefined;
  /** Nobody has the generator any more, and it has not ended. */
  abandoned(): void;
  /** Runs one step of a generator. */
  step<R>(advance: () => R): R;
}

type Advance = (this: object, ...args: unknown[]) => unknown;
type GeneratorLike = Record<'next' | 'return' | 'throw', Advance>;

const collected = new FinalizationRegistry<Completion>((completion) => completion.abandoned());

/** Whether a result is complete only later. Never throws, whatever it is asked about. */
export function isUnfinished(result: unknown): boolean {
  return isThenable(result) || isGenerator(result);
}

/** Tells `completion` when an unfinished result is complete. Gives the result; for a promise, one that settles after it was told. */
export function watch<T>(result: T, completion: Completion): T {
  if (!isThenable(result)) {
    if (!isGenerator(result) || !watchGenerator(result, completion)) completion.done();
    return result;
  }
  // One `then` only: a lazy thenable (a query builder) runs once.
  const promise = result instanceof Promise ? result : Promise.resolve(result);
  return promise.then(
    (value: unknown) => {
      if (isGenerator(value) && watchGenerator(value, completion)) return value;
      const finished = completion.done();
      return finished === undefined ? value : finished.then(() => value);
    },
    (error: unknown) => {
      const finished = completion.failed(error);
      if (finished === undefined) throw error;
      return finished.then(() => {
        throw error;
      });
    },
  ) as T;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  try {
    return value instanceof Promise || typeof (value as { then?: unknown }).then === 'function';
  } catch {
    return false; // a `then` that throws when it is read, or a revoked proxy, is not awaited by anyone
  }
}

/** Sync or async. Other iterators and streams are no generators: whether anyone iterates them to their end is not known. */
function isGenerator(value: unknown): value is GeneratorLike {
  if (typeof value !== 'object' || value === null) return false;
  try {
    if (!(Symbol.asyncIterator in value || Symbol.iterator in value)) return false;
    const { next, return: end, throw: fail } = value as Partial<GeneratorLike>;
    return typeof next === 'function' && typeof end === 'function' && typeof fail === 'function';
  } catch {
    return false; // a proxy, or a getter of the caller's, threw
  }
}

/** False: it cannot be watched (it is frozen). */
function watchGenerator(generator: GeneratorLike, completion: Completion): boolean {
  let isOver = false;
  const over = (tell: () => Promise<void> | undefined): Promise<void> | undefined => {
    if (isOver) return undefined;
    isOver = true;
    collected.unregister(completion);
    return tell();
  };
  const done = () => over(() => completion.done());
  const failed = (error: unknown) => over(() => completion.failed(error));
  try {
    for (const method of ['next', 'return', 'throw'] as const) {
      const advance = generator[method];
      const value = function (this: object, ...args: unknown[]): unknown {
        if (isOver) return Reflect.apply(advance, this, args);
        let step: unknown;
        try {
          step = completion.step(() => Reflect.apply(advance, this, args));
        } catch (error) {
          failed(error);
          throw error;
        }
        if (!isThenable(step)) {
          if (isLast(step)) done();
          return step;
        }
        return Promise.resolve(step).then(
          (last) => {
            const finished = isLast(last) ? done() : undefined;
            return finished === undefined ? last : finished.then(() => last);
          },
          (error: unknown) => {
            const finished = failed(error);
            if (finished === undefined) throw error;
            return finished.then(() => {
              throw error;
            });
          },
        );
      };
      Object.defineProperty(generator, method, { value, configurable: true, writable: true });
    }
  } catch {
    return false; // frozen, or a proxy that refuses: what was watched for ends now
  }
  collected.register(generator, completion, completion);
  return true;
}

function isLast(step: unknown): boolean {
  return typeof step === 'object' && step !== null && (step as IteratorResult<unknown>).done === true;
}
