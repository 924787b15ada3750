/**
 * The OpenAPI document of what this server has beyond Phoenix's REST API.   Read path: client -> [openapi].
 *
 * Made of the table that the routes are made of, so that it cannot say anything else than they do.
 */

import { STORE_ERROR_STATUSES, STORE_OPERATIONS, STORE_ROUTE_PREFIX } from '@cogniverse/foundation/store';
import type { StoreOperation } from '@cogniverse/foundation/telemetry';
import { z } from 'zod';
import { FIELD_TEXTS, OPERATION_TEXTS } from './operation-texts.js';

/** Where the server gives out the document. */
export const OPENAPI_PATH = `${STORE_ROUTE_PREFIX}openapi.json`;

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

const INTRODUCTION = `Routes of \`cogniverse serve\` beyond Phoenix's REST API, which is served under \`/v1\`.

Keys are snake_case; 64-bit integers are decimal strings; times are ISO 8601, or nanoseconds since 1970 as a decimal string. A \`GET\` takes parameters, a \`POST\` a JSON body.
Every error is \`{"detail": ..., "code": ...}\`: branch on the code. Programs in TypeScript have all of this as typed functions in \`@cogniverse/foundation/client\`.`;

/** The document, as JSON. */
export function openApiDocument(version: string): JsonObject {
  const operations = Object.entries(STORE_OPERATIONS) as unknown as [string, StoreOperation<unknown, unknown>][];
  const paths: Record<string, Record<string, Json>> = {};
  const schemas: Record<string, Json> = { Error: ERROR_SCHEMA };
  for (const [name, operation] of operations) {
    const path = `${STORE_ROUTE_PREFIX}${operation.path}`;
    const method = operation.method.toLowerCase();
    schemas[`${capitalized(name)}Response`] = wireSchema(operation.result, false);
    paths[path] = { ...paths[path], [method]: operationObject(name, operation, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cogniverse Telemetry',
      version,
      description: INTRODUCTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:6006', description: 'Where `cogniverse serve` listens by default.' }],
    security: [{}, { key: [] }],
    paths: { ...paths, ...OPERATIONAL_PATHS },
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of `cogniverse keys create`, where keys are in use.',
        },
      },
      schemas,
    },
  };
}

function operationObject(
  name: string,
  operation: StoreOperation<unknown, unknown>,
  schemas: Record<string, Json>,
): JsonObject {
  const text = OPERATION_TEXTS[name];
  const request = wireSchema(operation.request, true);
  let input: JsonObject = {};
  if (operation.method === 'GET') {
    const required = (request['required'] ?? []) as readonly string[];
    const parameters = Object.entries(request['properties'] as JsonObject).map(([field, schema]) => {
      const { description, ...rest } = schema as JsonObject;
      const example = text?.example[field];
      return {
        name: field,
        in: 'query',
        required: required.includes(field),
        ...(description === undefined ? {} : { description }),
        schema: rest,
        ...(example === undefined ? {} : { example: example as Json }),
      };
    });
    if (parameters.length > 0) input = { parameters };
  } else {
    schemas[`${capitalized(name)}Request`] = request;
    const example = text === undefined ? {} : { example: text.example as JsonObject };
    input = {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: reference(`${capitalized(name)}Request`), ...example } },
      },
    };
  }
  return {
    operationId: name,
    ...(text === undefined ? {} : { summary: text.summary, tags: [text.tag] }),
    ...(text?.description ? { description: text.description } : {}),
    ...input,
    responses: {
      '200': {
        description: 'Done.',
        content: { 'application/json': { schema: reference(`${capitalized(name)}Response`) } },
      },
      ...ERROR_RESPONSES,
    },
  };
}

/** JSON Schema of the form in which a value travels. Requests refuse keys that they do not know; answers may gain some. */
function wireSchema(schema: z.ZodType, strict: boolean): JsonObject {
  const { $schema: _dialect, ...made } = z.toJSONSchema(schema, {
    io: 'input', // of a codec: what is decoded, which is what travels
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // The only values taken as they are, whatever they hold, are objects.
      if (zodSchema._zod.def.type === 'custom') jsonSchema.type = 'object';
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.type !== 'object' || jsonSchema.properties === undefined) return;
      if (strict) jsonSchema.additionalProperties = false;
      for (const [field, property] of Object.entries(jsonSchema.properties)) {
        const description = FIELD_TEXTS[field];
        if (description !== undefined && typeof property === 'object') property.description ??= description;
      }
    },
  });
  return made as JsonObject;
}

function reference(schema: string): JsonObject {
  return { $ref: `#/components/schemas/${schema}` };
}

function capitalized(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

const ERROR_SCHEMA: JsonObject = {
  type: 'object',
  properties: {
    detail: { type: 'string', description: 'What is wrong, and what to do about it; for people.' },
    code: { type: 'string', description: 'Stable; for programs.' },
  },
  required: ['detail'],
};

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'The request lacks something that it needs.',
  401: 'Keys are in use, and the request has none that is known.',
  403: 'The key does not allow this.',
  404: 'What the request names is not there, or not for this key.',
  409: 'It contradicts what is stored.',
  413: 'The body is too large.',
  415: 'The body is no `application/json`.',
  422: 'A field is missing, unknown, or has a value that it cannot have; `detail` names it.',
  500: 'The server failed. Its log says why.',
  501: 'This store does not do that.',
  503: 'The store does not answer now; `Retry-After` says when to ask again.',
};

function errorResponses(): Record<string, Json> {
  const codes = new Map<number, string[]>(Object.keys(STATUS_TEXTS).map((status) => [Number(status), []]));
  for (const [code, status] of STORE_ERROR_STATUSES) codes.get(status)?.push(code);
  const content = { 'application/json': { schema: reference('Error') } };
  return Object.fromEntries(
    Array.from(codes, ([status, names]) => {
      const list = names.length === 0 ? '' : ` Codes: ${names.map((code) => `\`${code}\``).join(', ')}.`;
      return [String(status), { description: `${STATUS_TEXTS[status]}${list}`, content }];
    }),
  );
}

const ERROR_RESPONSES = errorResponses();

const ofText = (description: string, mediaType: string): JsonObject => ({
  description,
  content: { [mediaType]: { schema: { type: 'string' } } },
});

const OTLP: JsonObject = { description: 'OTLP, as its specification says.', type: 'object' };

/** What is no operation of the store. */
const OPERATIONAL_PATHS: Record<string, Json> = {
  [OPENAPI_PATH]: {
    get: {
      operationId: 'getOpenApiDocument',
      tags: ['administration'],
      summary: 'This document.',
      responses: {
        '200': { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
      },
    },
  },
  '/v1/traces': {
    post: {
      operationId: 'exportTraces',
      tags: ['spans'],
      summary: 'Takes spans in, as OTLP/HTTP.',
      description: 'Protobuf or JSON, plain or gzip. Answered after the spans are on disk.',
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: OTLP, example: { resourceSpans: [] } },
          'application/x-protobuf': { schema: { type: 'string', contentMediaType: 'application/x-protobuf' } },
        },
      },
      responses: {
        '200': {
          description:
            '`ExportTraceServiceResponse`; empty when every span was taken, else with the number and reasons.',
          content: { 'application/json': { schema: OTLP } },
        },
        default: {
          description: '`google.rpc.Status`; 429 and 503 have `Retry-After`.',
          content: { 'application/json': { schema: OTLP } },
        },
      },
    },
  },
  '/healthz': {
    get: {
      operationId: 'isUp',
      tags: ['administration'],
      summary: 'Whether the process is up.',
      security: [],
      responses: { '200': ofText('It is.', 'text/plain') },
    },
  },
  '/readyz': {
    get: {
      operationId: 'isReady',
      tags: ['administration'],
      summary: 'Whether the store takes writes.',
      security: [],
      responses: {
        '200': { description: 'It does.', content: { 'application/json': { schema: { type: 'object' } } } },
        '503': {
          description: 'It does not; `detail` says why.',
          content: { 'application/json': { schema: reference('Error') } },
        },
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'getPrometheusMetrics',
      tags: ['administration'],
      summary: 'Metrics in the text format of Prometheus.',
      responses: { '200': ofText('Metrics.', 'text/plain') },
    },
  },
};
