/** How much one OTLP request may decode to, and the error of a request that is no good.   Server and stores, before anything is kept. */

export class OtlpDecodeError extends Error {
  /** `malformed`: no OTLP. `too_many_elements`: a limit of `OtlpLimits`. The same body fails again either way. */
  readonly code: 'malformed' | 'too_many_elements';
  constructor(code: 'malformed' | 'too_many_elements', message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OtlpDecodeError';
    this.code = code;
  }
}

/** All counts are of one request, and are checked while it is decoded: a small body that would become large is refused before it does. */
export interface OtlpLimits {
  /** `ResourceSpans` and `ScopeSpans` together. */
  readonly maxGroups: number;
  readonly maxSpans: number;
  /** Key-value pairs of resources, scopes, spans, events and links. */
  readonly maxAttributes: number;
  readonly maxEvents: number;
  readonly maxLinks: number;
  /** Elements of lists and maps inside attributes; an element that is itself a list or map counts `CONTAINER_WEIGHT`. */
  readonly maxNodes: number;
  /** Lists and maps inside one another, in one attribute. At most 256. */
  readonly maxDepth: number;
  /** Objects and arrays of a JSON body, of whatever meaning. */
  readonly maxJsonContainers: number;
  /** Commas of a JSON body, which is about its values. */
  readonly maxJsonValues: number;
}

/** A request at every limit at once takes some 100 MB; one that goes beyond any, less than that when it is refused. */
export const DEFAULT_OTLP_LIMITS: OtlpLimits = Object.freeze({
  maxGroups: 20_000,
  maxSpans: 100_000,
  maxAttributes: 1_000_000,
  maxEvents: 100_000,
  maxLinks: 100_000,
  maxNodes: 1_000_000,
  maxDepth: 64,
  maxJsonContainers: 1_000_000,
  maxJsonValues: 4_000_000,
});

/** An empty list or map takes about as much memory as this many plain values. */
export const CONTAINER_WEIGHT = 8;

/** What is left of the limits of one request. */
export class ElementBudget {
  readonly #limits: OtlpLimits;
  readonly maxDepth: number;
  #groups: number;
  #spans: number;
  #attributes: number;
  #events: number;
  #links: number;
  #nodes: number;

  constructor(limits: OtlpLimits) {
    if (!(limits.maxDepth >= 1 && limits.maxDepth <= 256)) {
      throw new RangeError(
        `maxDepth is ${limits.maxDepth}; it must be 1 to 256, or deep values would exhaust the stack.`,
      );
    }
    this.#limits = limits;
    this.maxDepth = limits.maxDepth;
    this.#groups = limits.maxGroups;
    this.#spans = limits.maxSpans;
    this.#attributes = limits.maxAttributes;
    this.#events = limits.maxEvents;
    this.#links = limits.maxLinks;
    this.#nodes = limits.maxNodes;
  }

  takeGroup(): void {
    if (--this.#groups < 0) throw tooMany('resource and scope groups', this.#limits.maxGroups);
  }
  takeSpans(count: number): void {
    this.#spans -= count;
    if (this.#spans < 0) throw tooMany('spans', this.#limits.maxSpans);
  }
  takeAttribute(): void {
    if (--this.#attributes < 0) throw tooMany('attributes', this.#limits.maxAttributes);
  }
  takeEvent(): void {
    if (--this.#events < 0) throw tooMany('events', this.#limits.maxEvents);
  }
  takeLink(): void {
    if (--this.#links < 0) throw tooMany('links', this.#limits.maxLinks);
  }
  takeNode(): void {
    if (--this.#nodes < 0) throw tooMany('elements inside attributes', this.#limits.maxNodes);
  }
  /** A list or map at `depth`: the attribute's own value is at 1, what is in it at 2. */
  takeContainer(depth: number): void {
    if (depth > this.maxDepth) throw tooMany('levels of nesting in an attribute', this.maxDepth);
    if (depth > 1) {
      this.#nodes -= CONTAINER_WEIGHT - 1; // its own `takeNode` was the first
      if (this.#nodes < 0) throw tooMany('elements inside attributes', this.#limits.maxNodes);
    }
  }
}

export function tooMany(what: string, limit: number): OtlpDecodeError {
  return new OtlpDecodeError(
    'too_many_elements',
    `The request holds more than ${limit} ${what}. Send it in smaller parts.`,
  );
}
