/**
 * A span behind OpenTelemetry's API.   Write path: tracer -> [span] -> router -> encoder.
 *
 * Holds snapshots of what it was given and nothing else; after its end only bytes are left of it. No call throws, whatever it is given.
 * Source: OpenTelemetry's trace API and SDK specifications; where they leave room, as OpenTelemetry JS does.
 */
import {
  type Span as ApiSpan,
  type Attributes,
  type AttributeValue,
  type Exception,
  INVALID_SPAN_CONTEXT,
  type Link,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  type TimeInput,
  type TraceState,
} from '@opentelemetry/api';
import { AttributeList } from '../otlp/attribute-list.js';
import type { EncodableSpan, ProtoWriter } from '../otlp/index.js';
import { snapshot, UNREADABLE } from './attribute-values.js';
import {
  ENVIRONMENT,
  EXCEPTION_EVENT,
  EXCEPTION_MESSAGE,
  EXCEPTION_STACKTRACE,
  EXCEPTION_TYPE,
  SERVICE_NAME,
  SESSION_ID,
  TENANT_ID,
} from './attributes.js';
import type { LocalTrace } from './export/local-trace.js';
import { type TenantProject, writeTextAttribute } from './export/tenant-project.js';
import type { ScopeBytes } from './export/tenant-queue.js';
import type { TenantRouter } from './export/tenant-router.js';
import { isTimeInput } from './span-identity.js';

/** OpenTelemetry's `Span`, which also ends at the end of a `using` block. */
export interface TelemetrySpan extends ApiSpan, Disposable {}

export interface SpanEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: AttributeList;
  readonly droppedAttributesCount: number;
}

interface SpanLink {
  readonly context: SpanContext;
  readonly attributes: AttributeList;
  readonly droppedAttributesCount: number;
}

/** The parts of a span that `cutLongestTexts` may shorten. */
export interface SpanRecord extends EncodableSpan {
  readonly attributes: AttributeList;
  readonly events: readonly SpanEvent[];
  readonly links: readonly { readonly attributes: AttributeList }[] & EncodableSpan['links'];
  readonly status: { readonly code: number; message: string };
}

/** OTLP: the parent's remoteness is known, and it is remote. Source: trace.proto, `SpanFlags`. */
const FLAG_HAS_IS_REMOTE = 0x100;
const FLAG_IS_REMOTE = 0x200;
const { hasOwnProperty: hasOwn } = Object.prototype;
const NO_EVENTS: SpanEvent[] = [];
const NO_LINKS: SpanLink[] = [];

/** Our spans' contexts know their trace, so that a link to another tenant's span is seen. */
class LocalSpanContext implements SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly traceState?: TraceState;
  readonly #trace: LocalTrace;

  constructor(trace: LocalTrace, spanId: string, traceFlags: number) {
    this.traceId = trace.traceId;
    this.spanId = spanId;
    this.traceFlags = traceFlags;
    if (trace.traceState !== undefined) this.traceState = trace.traceState;
    this.#trace = trace;
  }

  static traceOf(context: SpanContext): LocalTrace | undefined {
    return #trace in context ? context.#trace : undefined;
  }
}

export class Span implements TelemetrySpan {
  readonly router: TenantRouter;
  readonly scope: ScopeBytes;
  readonly trace: LocalTrace;
  /** The first of its trace in this process. */
  readonly isLocalRoot: boolean;
  readonly #context: LocalSpanContext;
  readonly #project: TenantProject | undefined;
  readonly #parentSpanId: string;
  readonly #flags: number;
  readonly #kind: number;
  readonly #startTime: bigint;
  #endTime = 0n;
  #name: string;
  #recording: boolean;
  readonly #attributes = new AttributeList();
  #droppedAttributes = 0;
  #events = NO_EVENTS;
  #droppedEvents = 0;
  #links = NO_LINKS;
  #droppedLinks = 0;
  #statusCode: number = SpanStatusCode.UNSET;
  #statusMessage = '';
  /** What `recordException()` was given, so that what a callback throws is recorded once. As many as there may be events. */
  #exceptions: unknown[] | undefined;
  #ended = false;
  #onEnd: (() => void)[] | undefined;
  /** Of its export, or of room in the queue: for callers that can wait. */
  delivery: Promise<void> | undefined;

  constructor(
    router: TenantRouter,
    scope: ScopeBytes,
    trace: LocalTrace,
    project: TenantProject | undefined,
    isLocalRoot: boolean,
    parent: SpanContext | undefined,
    spanId: string,
    traceFlags: number,
    name: string,
    nowMillis: number,
    options: SpanOptions | undefined,
  ) {
    this.router = router;
    this.scope = scope;
    this.trace = trace;
    this.#project = project;
    this.isLocalRoot = isLocalRoot;
    this.#context = new LocalSpanContext(trace, spanId, traceFlags);
    this.#parentSpanId = parent?.spanId ?? '';
    this.#flags = (traceFlags & 0xff) | FLAG_HAS_IS_REMOTE | (parent?.isRemote === true ? FLAG_IS_REMOTE : 0);
    this.#recording = (traceFlags & 1) === 1;
    this.#name = typeof name === 'string' ? name : textOf(name);
    this.#kind = otlpKind(options?.kind);
    this.#startTime = router.spanClock.at(options?.startTime, trace.anchor, nowMillis);
    if (options?.attributes !== undefined && this.#recording) {
      // Nobody has the span yet, so no getter of the caller's can set the same key meanwhile.
      this.#droppedAttributes = setAllInto(
        this.#attributes,
        options.attributes,
        router.attributeCountLimit,
        router,
        true,
      );
    }
    if (options?.links !== undefined) this.addLinks(options.links);
  }

  /** Its tenant's project; undefined while unassigned. */
  get project(): TenantProject | undefined {
    return this.#project ?? this.trace.project;
  }

  get sampled(): boolean {
    return (this.#context.traceFlags & 1) === 1;
  }

  get name(): string {
    return this.#name;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get hasLinks(): boolean {
    return this.#links.length > 0;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return this.#recording;
  }

  setAttribute(key: string, value: AttributeValue | unknown): this {
    if (this.#recording) {
      this.#droppedAttributes += setInto(this.#attributes, key, value, this.router.attributeCountLimit, this.router);
    }
    return this;
  }

  setAttributes(attributes: Attributes | Record<string, unknown>): this {
    if (this.#recording) {
      this.#droppedAttributes += setAllInto(
        this.#attributes,
        attributes,
        this.router.attributeCountLimit,
        this.router,
        false,
      );
    }
    return this;
  }

  /** The session of the context; an attribute that the caller gave wins. */
  setSession(sessionId: string): void {
    if (!this.#attributes.has(SESSION_ID)) this.setAttribute(SESSION_ID, sessionId);
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (!this.#recording) return this;
    const { eventCountLimit, attributePerEventCountLimit } = this.router;
    if (eventCountLimit === 0) {
      this.#droppedEvents += 1;
      return this;
    }
    const timeFirst = isTimeInput(attributesOrTime);
    const attributes = new AttributeList();
    let dropped = 0;
    if (!timeFirst && attributesOrTime != null) {
      dropped = setAllInto(attributes, attributesOrTime as Attributes, attributePerEventCountLimit, this.router, true);
    }
    if (this.#events === NO_EVENTS) this.#events = [];
    else if (this.#events.length >= eventCountLimit) {
      this.#events.shift();
      this.#droppedEvents += 1;
    }
    this.#events.push({
      timeUnixNano: this.router.spanClock.at(timeFirst ? (time ?? attributesOrTime) : time, this.trace.anchor),
      name: typeof name === 'string' ? name : textOf(name),
      attributes,
      droppedAttributesCount: dropped,
    });
    return this;
  }

  addLink(link: Link): this {
    if (!this.#recording) return this;
    if (typeof link !== 'object' || link === null) {
      this.#droppedLinks += 1;
      return this;
    }
    try {
      const { context } = link;
      const { linkCountLimit, attributePerLinkCountLimit } = this.router;
      if (linkCountLimit === 0 || typeof context !== 'object' || !isUsableContext(context)) {
        this.#droppedLinks += 1;
        return this;
      }
      const attributes = new AttributeList();
      let dropped = typeof link.droppedAttributesCount === 'number' ? link.droppedAttributesCount >>> 0 : 0;
      if (link.attributes != null) {
        dropped += setAllInto(attributes, link.attributes, attributePerLinkCountLimit, this.router, true);
      }
      if (this.#links === NO_LINKS) this.#links = [];
      else if (this.#links.length >= linkCountLimit) {
        this.#links.shift();
        this.#droppedLinks += 1;
      }
      this.#links.push({ context, attributes, droppedAttributesCount: dropped });
    } catch {
      this.#droppedLinks += 1; // the caller's object threw when it was read
    }
    return this;
  }

  addLinks(links: Link[]): this {
    if (!this.#recording) return this;
    try {
      // A list only: a caller's iterator may have no end.
      if (!Array.isArray(links)) this.#droppedLinks += 1;
      else for (const link of links) this.addLink(link);
    } catch {
      this.#droppedLinks += 1; // a list that throws when it is read
    }
    return this;
  }

  /** `OK` is final; unset never replaces anything; a message belongs to an error. */
  setStatus(status: SpanStatus): this {
    if (!this.#recording || this.#statusCode === SpanStatusCode.OK) return this;
    try {
      const { code, message } = status;
      if (code !== SpanStatusCode.OK && code !== SpanStatusCode.ERROR) return this;
      this.#statusCode = code;
      this.#statusMessage = code === SpanStatusCode.ERROR && typeof message === 'string' ? message : '';
    } catch {
      this.#statusCode = SpanStatusCode.ERROR; // a status object that throws when it is read tells of nothing good
    }
    return this;
  }

  updateName(name: string): this {
    if (this.#recording) this.#name = typeof name === 'string' ? name : textOf(name);
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    if (!this.#recording) return;
    this.#exceptions ??= [];
    if (this.#exceptions.length < this.router.eventCountLimit) this.#exceptions.push(exception);
    this.addEvent(EXCEPTION_EVENT, exceptionAttributes(exception) as Attributes, time);
  }

  /** What a callback threw: recorded, unless it was already, and the span is in error. */
  fail(error: unknown): void {
    if (!this.#recording) return;
    if (this.#exceptions?.includes(error) !== true) this.recordException(error as Exception);
    this.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
  }

  end(endTime?: TimeInput): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#recording = false;
    this.#exceptions = undefined;
    const time = this.router.spanClock.at(endTime, this.trace.anchor);
    this.#endTime = time;
    if (time < this.#startTime) this.#endTime = this.#startTime;
    this.delivery = this.router.ended(this);
    if (this.#onEnd !== undefined) for (const call of this.#onEnd) call();
  }

  /** Has `call`, which never throws, called when the span has ended and its fate is counted. */
  onEnd(call: () => void): void {
    this.#onEnd ??= [];
    this.#onEnd.push(call);
  }

  [Symbol.dispose](): void {
    this.end();
  }

  /** As OTLP has it, without the tenant's default attributes. Links to what is not the tenant's are left out. */
  record(project: TenantProject | undefined): SpanRecord {
    const links = [];
    let droppedLinks = this.#droppedLinks;
    for (const { context, attributes, droppedAttributesCount } of this.#links) {
      const linked = LocalSpanContext.traceOf(context);
      if (project === undefined ? linked === this.trace : this.router.mayLink(context, linked, this.trace, project)) {
        links.push({
          traceId: context.traceId,
          spanId: context.spanId,
          traceState: context.traceState?.serialize() ?? '',
          attributes,
          droppedAttributesCount,
          flags: (context.traceFlags & 0xff) | FLAG_HAS_IS_REMOTE | (context.isRemote === true ? FLAG_IS_REMOTE : 0),
        });
      } else droppedLinks += 1;
    }
    return {
      traceId: this.trace.traceId,
      spanId: this.#context.spanId,
      traceState: this.trace.traceState?.serialize() ?? '',
      parentSpanId: this.#parentSpanId,
      flags: this.#flags,
      name: this.#name,
      kind: this.#kind,
      startTimeUnixNano: this.#startTime,
      endTimeUnixNano: this.#endTime,
      attributes: this.#attributes,
      droppedAttributesCount: this.#droppedAttributes,
      events: this.#events,
      droppedEventsCount: this.#droppedEvents,
      links,
      droppedLinksCount: droppedLinks,
      status: { code: this.#statusCode, message: this.#statusMessage },
      integersAsInt: true,
    };
  }

  /** The tenant's default attributes, but for those that the span has itself. `tenant.id` it never has. */
  writeDefaults(writer: ProtoWriter, project: TenantProject): void {
    const attributes = this.#attributes;
    if (!attributes.has(SERVICE_NAME) && !attributes.has(ENVIRONMENT)) {
      writer.raw(project.defaultBytes);
      return;
    }
    for (const [key, value] of project.defaultAttributes) {
      if (!attributes.has(key)) writeTextAttribute(writer, key, value);
    }
  }
}

/** Does nothing: telemetry is off, the level leaves it out, or its tenant cannot be used. */
class NoopSpan implements TelemetrySpan {
  spanContext(): SpanContext {
    return INVALID_SPAN_CONTEXT;
  }
  isRecording(): boolean {
    return false;
  }
  setAttribute(): this {
    return this;
  }
  setAttributes(): this {
    return this;
  }
  addEvent(): this {
    return this;
  }
  addLink(): this {
    return this;
  }
  addLinks(): this {
    return this;
  }
  setStatus(): this {
    return this;
  }
  updateName(): this {
    return this;
  }
  recordException(): void {
    // nothing is recorded
  }
  end(): void {
    // nothing is recorded
  }
  [Symbol.dispose](): void {
    // nothing is recorded
  }
}

export const NOOP_SPAN: TelemetrySpan = new NoopSpan();

/** OTLP counts its kinds from 1; an unknown one is internal. */
function otlpKind(kind: SpanKind | undefined): number {
  return (typeof kind === 'number' && kind >= 0 && kind <= 4 && Number.isInteger(kind) ? kind : SpanKind.INTERNAL) + 1;
}

/** Sets one attribute; gives how many were dropped for it. `fresh`: its key is known not to be there. */
function setInto(
  attributes: AttributeList,
  key: unknown,
  value: unknown,
  limit: number,
  router: TenantRouter,
  fresh = false,
): number {
  if (typeof key !== 'string' || key === '') return 1;
  if (key === TENANT_ID) return 0; // the tenant's own, written at the end: no call may claim another
  const taken = snapshot(value, router.valueLimits);
  if (taken === undefined) return 0;
  if (attributes.size >= limit && (fresh || !attributes.has(key))) return 1;
  if (fresh) attributes.append(key, taken);
  else attributes.set(key, taken);
  return 0;
}

/** `fresh`: the list is empty, and not to be reached by getters of the caller's. */
function setAllInto(
  attributes: AttributeList,
  values: object | null,
  limit: number,
  router: TenantRouter,
  fresh: boolean,
): number {
  let dropped = 0;
  if (typeof values !== 'object' || values === null) return 0;
  try {
    // Over a plain object this is cheaper than over `Object.keys()`: its values are read by their place.
    for (const key in values) {
      if (!hasOwn.call(values, key)) continue;
      let value: unknown;
      try {
        value = (values as Record<string, unknown>)[key];
      } catch {
        value = UNREADABLE; // a getter of the caller's threw
      }
      dropped += setInto(attributes, key, value, limit, router, fresh);
    }
  } catch {
    dropped += 1; // a proxy of the caller's refused to tell its keys
  }
  return dropped;
}

/** Ids that OTLP can carry. Reads each field, so that an object that throws is found out here. */
function isUsableContext(context: SpanContext): boolean {
  return (
    /^[0-9a-f]{32}$/.test(context.traceId) &&
    /^[0-9a-f]{16}$/.test(context.spanId) &&
    !/^0+$/.test(context.traceId) &&
    !/^0+$/.test(context.spanId)
  );
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return UNREADABLE; // a toString of the caller's threw
  }
}

/** Source: OpenTelemetry semantic conventions, exceptions; OpenTelemetry JS takes `code` before `name` as the type. */
function exceptionAttributes(exception: unknown): Record<string, unknown> {
  if (typeof exception !== 'object' || exception === null) return { [EXCEPTION_MESSAGE]: textOf(exception) };
  const attributes: Record<string, unknown> = {};
  try {
    const { code, name, message, stack } = exception as {
      code?: unknown;
      name?: unknown;
      message?: unknown;
      stack?: unknown;
    };
    if (code) attributes[EXCEPTION_TYPE] = textOf(code);
    else if (name) attributes[EXCEPTION_TYPE] = textOf(name);
    if (message) attributes[EXCEPTION_MESSAGE] = textOf(message);
    if (stack) attributes[EXCEPTION_STACKTRACE] = textOf(stack);
    if (Object.keys(attributes).length === 0) attributes[EXCEPTION_MESSAGE] = textOf(exception);
  } catch {
    attributes[EXCEPTION_MESSAGE] = UNREADABLE; // a getter of the exception threw
  }
  return attributes;
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : textOf(error);
  } catch {
    return UNREADABLE; // a proxy, or a getter of the error's, threw
  }
}
