/** What is read of a Phoenix over its REST API.   Read path: Phoenix -> [phoenix-source] -> import. */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { CliError } from '../cli-error.js';

const TIMEOUT_MILLIS = 60_000;
const ATTEMPTS = 5;
/** Of ids in one address: with more, Phoenix refuses it for its length. */
const IDS_A_REQUEST = 500;

const anyValue: z.ZodType<PhoenixValue> = z.lazy(() =>
  z.object({
    string_value: z.string().nullish(),
    bool_value: z.boolean().nullish(),
    int_value: z.string().nullish(),
    double_value: z.union([z.number(), z.string()]).nullish(),
    bytes_value: z.string().nullish(),
    array_value: z.object({ values: z.array(anyValue) }).nullish(),
    kvlist_value: z.object({ values: z.array(z.object({ key: z.string(), value: anyValue })) }).nullish(),
  }),
);
/** A variant that is not the value's own is null. */
export interface PhoenixValue {
  readonly string_value?: string | null | undefined;
  readonly bool_value?: boolean | null | undefined;
  readonly int_value?: string | null | undefined;
  readonly double_value?: number | string | null | undefined;
  readonly bytes_value?: string | null | undefined;
  readonly array_value?: { readonly values: readonly PhoenixValue[] } | null | undefined;
  readonly kvlist_value?:
    | { readonly values: readonly { readonly key: string; readonly value: PhoenixValue }[] }
    | null
    | undefined;
}

const attributes = z.array(z.object({ key: z.string(), value: anyValue }));
const phoenixSpan = z.object({
  trace_id: z.string(),
  span_id: z.string(),
  parent_span_id: z.string().nullish(),
  name: z.string(),
  kind: z.union([z.string(), z.number()]).nullish(),
  start_time_unix_nano: z.string(),
  end_time_unix_nano: z.string(),
  status: z.object({ code: z.number().nullish(), message: z.string().nullish() }).nullish(),
  attributes: attributes.nullish(),
  events: z
    .array(z.object({ name: z.string().nullish(), time_unix_nano: z.string(), attributes: attributes.nullish() }))
    .nullish(),
});
export type PhoenixSpan = z.output<typeof phoenixSpan>;

const judgement = {
  name: z.string(),
  annotator_kind: z.enum(['HUMAN', 'LLM', 'CODE']),
  metadata: z.record(z.string(), z.unknown()).nullish(),
};
const annotation = z.object({
  ...judgement,
  created_at: z.string(),
  updated_at: z.string(),
  result: z
    .object({ label: z.string().nullish(), score: z.number().nullish(), explanation: z.string().nullish() })
    .nullish(),
  identifier: z.string().nullish(),
  span_id: z.string().optional(),
  trace_id: z.string().optional(),
  session_id: z.string().optional(),
});
export type PhoenixAnnotation = z.output<typeof annotation>;

const json = z.record(z.string(), z.unknown());
const dataset = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  metadata: json.nullish(),
  example_count: z.number(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type PhoenixDataset = z.output<typeof dataset>;
const version = z.object({ version_id: z.string(), created_at: z.string() });
export type PhoenixVersion = z.output<typeof version>;
const example = z.object({
  id: z.string(),
  node_id: z.string().optional(),
  input: json,
  output: json,
  metadata: json.nullish(),
});
export type PhoenixExample = z.output<typeof example>;
const experiment = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  metadata: json.nullish(),
  dataset_version_id: z.string(),
});
export type PhoenixExperiment = z.output<typeof experiment>;
const experimentRun = z.object({
  example_id: z.string(),
  repetition_number: z.number(),
  input: json,
  output: z.unknown(),
  error: z.string().nullish(),
  trace_id: z.string().nullish(),
  start_time: z.string().nullish(),
  end_time: z.string().nullish(),
  annotations: z.array(
    z.object({
      ...judgement,
      label: z.string().nullish(),
      score: z.number().nullish(),
      explanation: z.string().nullish(),
      error: z.string().nullish(),
    }),
  ),
});
export type PhoenixRun = z.output<typeof experimentRun>;

const pageOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), next_cursor: z.string().nullable() });

/**
 * JSON numbers beyond 2^53 lose digits when they are parsed: of OTLP those that may be such are read as text. Inside a text a quote is escaped,
 * so that what looks like such a member there is none.
 */
function otlpJson(text: string): unknown {
  return JSON.parse(text.replaceAll(/"(\w*_unix_nano|int_value)":\s*(-?\d+)/g, '"$1":"$2"'));
}

export class PhoenixSource {
  readonly #url: string;
  readonly #apiKey: string | undefined;

  constructor(url: string, apiKey: string | undefined) {
    this.#url = url.replace(/\/+$/, '');
    this.#apiKey = apiKey;
  }

  get url(): string {
    return this.#url;
  }

  /** Errors: `CliError` if there is no Phoenix. */
  async version(): Promise<string> {
    const response = await this.#get('/arize_phoenix_version');
    const version = response.headers.get('x-phoenix-server-version');
    if (version === null) throw new CliError(`What answers at ${this.#url} is no Phoenix. Correct --from.`);
    await response.text();
    return version;
  }

  /** Errors: `CliError` if it has no such project, naming those that it has. */
  async checkProject(name: string): Promise<void> {
    const response = await this.#get(`/v1/projects/${encodeURIComponent(name)}`, [404]);
    if (response.status !== 404) {
      await response.text();
      return;
    }
    const { data } = await this.#json('/v1/projects?limit=50', pageOf(z.object({ name: z.string() })));
    throw new CliError(`${this.#url} has no project "${name}". It has: ${data.map((each) => each.name).join(', ')}.`);
  }

  /** Newest first. */
  spans(project: string, cursor: string | undefined, limit: number) {
    const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    return this.#json(
      `/v1/projects/${encodeURIComponent(project)}/spans/otlpv1?limit=${limit}${after}`,
      pageOf(phoenixSpan),
      otlpJson,
    );
  }

  /** Of these spans, traces or sessions; notes among them. */
  async annotations(
    project: string,
    target: 'span' | 'trace' | 'session',
    ids: readonly string[],
  ): Promise<PhoenixAnnotation[]> {
    const found: PhoenixAnnotation[] = [];
    for (let from = 0; from < ids.length; from += IDS_A_REQUEST) {
      const asked = ids.slice(from, from + IDS_A_REQUEST).map((id) => `${target}_ids=${encodeURIComponent(id)}`);
      let cursor: string | null = null;
      do {
        const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const path = `/v1/projects/${encodeURIComponent(project)}/${target}_annotations?${asked.join('&')}&limit=1000${after}`;
        const response = await this.#get(path, [404]);
        const text = await response.text();
        if (response.status === 404) break; // none of these ids is known there, so none of them is annotated
        const page = this.#parse(pageOf(annotation), text, `annotations of a ${target}`);
        found.push(...page.data);
        cursor = page.next_cursor;
      } while (cursor !== null);
    }
    return found;
  }

  datasets(): AsyncGenerator<PhoenixDataset> {
    return this.#all('/v1/datasets', dataset);
  }

  /** The oldest first. */
  async versions(datasetId: string): Promise<PhoenixVersion[]> {
    const found: PhoenixVersion[] = [];
    for await (const each of this.#all(`/v1/datasets/${encodeURIComponent(datasetId)}/versions`, version))
      found.push(each);
    return found.reverse();
  }

  async examples(datasetId: string, versionId: string): Promise<PhoenixExample[]> {
    const shape = z.object({ data: z.object({ examples: z.array(example) }) });
    const path = `/v1/datasets/${encodeURIComponent(datasetId)}/examples?version_id=${encodeURIComponent(versionId)}`;
    return (await this.#json(path, shape)).data.examples;
  }

  async experiments(datasetId: string): Promise<PhoenixExperiment[]> {
    return (
      await this.#json(
        `/v1/datasets/${encodeURIComponent(datasetId)}/experiments`,
        z.object({ data: z.array(experiment) }),
      )
    ).data;
  }

  /** With their evaluations. An experiment without a run has none to download. */
  async runs(experimentId: string): Promise<PhoenixRun[]> {
    const response = await this.#get(`/v1/experiments/${encodeURIComponent(experimentId)}/json`, [404]);
    const text = await response.text();
    return response.status === 404 ? [] : this.#parse(z.array(experimentRun), text, 'the runs of an experiment');
  }

  /** Over all pages of a list. */
  async *#all<T extends z.ZodType>(path: string, item: T): AsyncGenerator<z.output<T>> {
    let cursor: string | null = null;
    do {
      const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { data: z.output<T>[]; next_cursor: string | null } = await this.#json(
        `${path}?limit=100${after}`,
        pageOf(item),
      );
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  async #json<T extends z.ZodType>(
    path: string,
    shape: T,
    parse: (text: string) => unknown = JSON.parse,
  ): Promise<z.output<T>> {
    return this.#parse(shape, await (await this.#get(path)).text(), path.split('?')[0]!, parse);
  }

  #parse<T extends z.ZodType>(
    shape: T,
    text: string,
    what: string,
    parse: (text: string) => unknown = JSON.parse,
  ): z.output<T> {
    try {
      return shape.parse(parse(text));
    } catch (cause) {
      throw new CliError(
        `${what} of ${this.#url} is not what Phoenix 20 answers: ${(cause as Error).message.slice(0, 300)}`,
        { cause },
      );
    }
  }

  /** Tries again what a busy Phoenix did not answer. Errors: `CliError`. */
  async #get(path: string, expected: readonly number[] = []): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      let reason: string;
      try {
        const response = await fetch(`${this.#url}${path}`, {
          headers: {
            accept: 'application/json',
            ...(this.#apiKey === undefined ? {} : { authorization: `Bearer ${this.#apiKey}` }),
          },
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MILLIS),
        });
        if (response.ok || expected.includes(response.status)) return response;
        const body = (await response.text()).slice(0, 200);
        if (response.status === 401 || response.status === 403) {
          throw new CliError(
            `${this.#url} refuses the key (${response.status}): ${body}. Give one with PHOENIX_API_KEY.`,
          );
        }
        reason = `it answered ${response.status}: ${body}`;
        if (response.status < 500) throw new CliError(`${path.split('?')[0]} of ${this.#url}: ${reason}`);
      } catch (error) {
        if (error instanceof CliError) throw error;
        const cause = (error as Error & { cause?: Error & { code?: string } }).cause;
        reason = cause?.code ?? cause?.message ?? (error as Error).message;
      }
      if (attempt === ATTEMPTS) {
        throw new CliError(
          `No answer from ${this.#url}: ${reason}. Run the same command again: it goes on where it stopped.`,
        );
      }
      await wait(500 * 2 ** (attempt - 1));
    }
  }
}
