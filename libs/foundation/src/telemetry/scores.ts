/**
 * Scores of spans: annotations, written through the tenant's provider.   Control path: tenant handle -> [scores] -> provider -> annotations.
 *
 * A backend annotates only what it has stored. So the tenant's spans are flushed first, and the score of a span that is still open is
 * written after its end.
 */
import { type Span as ApiSpan, context as contextApi, isSpanContextValid } from '@opentelemetry/api';
import { TelemetryContext } from './context-keys.js';
import { InvalidQueryError, SpanNotFoundError, TelemetryError, TenantMismatchError } from './errors.js';
import type { FencedLogger } from './export/pipeline-logger.js';
import type { TelemetryProvider } from './providers/provider.js';
import type { NewSpanAnnotation, SpanRecord } from './providers/records.js';
import { checkInput, PROVIDER_INPUTS } from './providers/store-wire/index.js';
import { Span } from './span.js';

const FLUSH_MILLIS = 10_000;

/** An annotation, and the span that it is of. Without `span` and `spanId`: the active one. */
export interface ScoreOptions extends Omit<NewSpanAnnotation, 'spanId' | 'target'> {
  /** A span, ended or not, or the record of one. */
  readonly span?: ApiSpan | SpanRecord | undefined;
  /** Id of a span, 16 hexadecimal digits. */
  readonly spanId?: string | undefined;
  /** Project that holds `spanId`: suffix or full name. Default: the handle's; a span that is given is looked for in its own. */
  readonly projectName?: string | undefined;
  /** The handle's tenant, always. */
  readonly tenantId?: never;
}

export interface ScoresOptions {
  readonly getProvider: (tenantId: string, projectName: string | undefined) => Promise<TelemetryProvider>;
  /** Sends the spans of a tenant. */
  readonly flush: (tenantId: string, timeoutMillis: number) => Promise<boolean>;
  readonly logger: FencedLogger;
  /** Spans may be left out by the level, or telemetry be off: that there is no active span is no mistake of the caller's then. */
  readonly leavesSpansOut: (tenantId: string) => boolean;
}

interface Target {
  readonly spanId: string;
  readonly projectName: string | undefined;
  /** A span of this process. */
  readonly span: Span | undefined;
}

/** The scores of one manager. */
export class Scores {
  readonly #options: ScoresOptions;
  /** Writes under way, by tenant. They resolve with whether the score was written, and never reject. */
  readonly #writing = new Map<Promise<boolean>, string>();

  constructor(options: ScoresOptions) {
    this.#options = options;
  }

  /** See `TenantTelemetry.score()`. Under way from the call on, so that a flush right behind it waits for it. */
  write(tenantId: string, projectName: string | undefined, options: ScoreOptions): Promise<string | undefined> {
    return this.#started(tenantId, this.#write(tenantId, projectName, options));
  }

  async #write(tenantId: string, projectName: string | undefined, options: ScoreOptions): Promise<string | undefined> {
    const { span: _span, spanId: _spanId, projectName: given, ...annotation } = checkedOptions(options);
    const target = targetOf(options, tenantId, this.#options.leavesSpansOut(tenantId));
    if (target === undefined) return undefined;
    const { span, spanId } = target;
    const project = target.projectName ?? given ?? projectName;
    const row = { ...annotation, spanId, metadata: annotation.metadata && { ...annotation.metadata } };
    checkInput(PROVIDER_INPUTS.annotation, row);
    // Asked for now, so that a provider that is not there is told to the caller.
    await this.#options.getProvider(tenantId, project);
    if (span === undefined || span.ended) return this.#store(tenantId, project, row);
    span.onEnd(() => {
      this.#started(tenantId, this.#store(tenantId, project, row)).catch((error: unknown) => {
        const kind = error instanceof TelemetryError ? error.code : 'other';
        this.#options.logger.warnOnce(
          `score ${kind}`,
          `A score of tenant "${tenantId}" was not written: ${String(error)} Further ones of this kind are not logged.`,
        );
      });
    });
    return undefined;
  }

  async #store(tenantId: string, projectName: string | undefined, annotation: NewSpanAnnotation): Promise<string> {
    await this.#options.flush(tenantId, FLUSH_MILLIS); // whether it is there the backend says
    const provider = await this.#options.getProvider(tenantId, projectName);
    return provider.annotations.addAnnotation(annotation);
  }

  #started<T>(tenantId: string, writing: Promise<T>): Promise<T> {
    const settled: Promise<boolean> = writing.then(
      () => true,
      () => false,
    );
    this.#writing.set(settled, tenantId);
    void settled.then(() => this.#writing.delete(settled));
    return writing;
  }

  /** Resolves when what is being written now is written, of one tenant or of all: true if all of it was. */
  async written(tenantId?: string): Promise<boolean> {
    const writes = [...this.#writing].filter(([, of]) => tenantId === undefined || of === tenantId);
    return (await Promise.all(writes.map(([write]) => write))).every((done) => done);
  }
}

function checkedOptions(options: ScoreOptions): ScoreOptions {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidQueryError('score() takes an object of options, with the name of the score at least.');
  }
  if (options.tenantId !== undefined) {
    throw new TenantMismatchError('score() takes no tenantId: its tenant is the one of the handle.');
  }
  if (options.span !== undefined && options.spanId !== undefined) {
    throw new InvalidQueryError('score() is of one span: give span or spanId.');
  }
  return options;
}

/** Undefined: a span that is recorded nowhere. Errors: `SpanNotFoundError`, `TenantMismatchError`, `InvalidQueryError`. */
function targetOf(
  { span: given, spanId, projectName }: ScoreOptions,
  tenantId: string,
  leavesSpansOut: boolean,
): Target | undefined {
  if (spanId !== undefined) return { spanId, projectName, span: undefined };
  const active = TelemetryContext.of(contextApi.active());
  const span = given ?? active.span;
  if (span === undefined) {
    if (leavesSpansOut || active.project?.refused !== undefined) return undefined;
    throw new SpanNotFoundError('There is no active span to score. Call score() inside one, or give span or spanId.');
  }
  if (typeof span !== 'object' || span === null) {
    throw new InvalidQueryError('score(): span is neither a span nor the record of one.');
  }
  if (!('spanContext' in span)) {
    if (span.tenantId !== tenantId) throw mismatch(given, tenantId, span.tenantId);
    return { spanId: span.spanId, projectName: span.project, span: undefined };
  }
  if (!(span instanceof Span)) {
    const spanContext = span.spanContext();
    return isSpanContextValid(spanContext) ? { spanId: spanContext.spanId, projectName, span: undefined } : undefined;
  }
  const { project, trace } = span;
  if (project === undefined && trace.discarded) return undefined;
  if (project?.tenantId !== tenantId) throw mismatch(given, tenantId, project?.tenantId);
  return span.sampled ? { spanId: span.spanContext().spanId, projectName: project.projectName, span } : undefined;
}

function mismatch(given: unknown, tenantId: string, holder: string | undefined): TenantMismatchError {
  return new TenantMismatchError(
    `The ${given === undefined ? 'active span' : 'span'} ${
      holder === undefined ? 'has no tenant yet' : `belongs to tenant "${holder}"`
    }; this handle scores spans of tenant "${tenantId}". Use ${holder === undefined ? 'a span of this tenant' : "that tenant's handle"}.`,
  );
}
