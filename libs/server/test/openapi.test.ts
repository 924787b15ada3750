/** The OpenAPI document: valid by a validator that is not ours, and true of every route. */
import { STORE_OPERATIONS } from '@cogniverse/foundation/telemetry';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApiDocument } from '../dist/rest/cogniverse/openapi.js';
import { OPERATION_TEXTS } from '../dist/rest/cogniverse/operation-texts.js';
import { type JsonBody, newId, send, startTestServer, type TestServer } from './running-server.js';

const document: JsonBody = openApiDocument('0.1.0');
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema(document, 'openapi');

/** What the document says of a part of itself. */
function validatorOf(...path: readonly string[]): ValidateFunction {
  const pointer = path.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  return ajv.compile({ $ref: `openapi#/${pointer}` });
}

function faults(validate: ValidateFunction, value: unknown): string {
  return validate(value) ? '' : `${ajv.errorsText(validate.errors)} in ${JSON.stringify(value).slice(0, 500)}`;
}

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
});
afterAll(() => running.stop());

interface Documented {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
}

const DOCUMENTED: readonly Documented[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods as object).map(([method, operation]) => ({
    operationId: operation.operationId as string,
    method: method.toUpperCase(),
    path,
  })),
);
const OPERATIONS = DOCUMENTED.filter(({ operationId }) => operationId in STORE_OPERATIONS);

function exampleOf({ path, method }: Documented): Record<string, unknown> {
  const operation = document.paths[path][method.toLowerCase()];
  if (method === 'POST') return operation.requestBody.content['application/json'].example ?? {};
  return Object.fromEntries(
    (operation.parameters ?? [])
      .filter((parameter: JsonBody) => 'example' in parameter)
      .map((parameter: JsonBody) => [parameter.name, parameter.example]),
  );
}

async function ask({ path, method }: Documented, request: Record<string, unknown>) {
  const response =
    method === 'POST'
      ? await fetch(`${running.url}${path}`, {
          method,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(request),
        })
      : await fetch(`${running.url}${path}?${new URLSearchParams(request as Record<string, string>)}`);
  return { status: response.status, body: (await response.json()) as JsonBody };
}

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1, as an independent validator says', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect([result.valid, validator.version]).toEqual([true, '3.1']);
  });

  it('is what the server serves', async () => {
    const response = await fetch(`${running.url}/v1/cogniverse/openapi.json`);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const { info, ...rest } = (await response.json()) as JsonBody;
    expect(rest).toEqual(JSON.parse(JSON.stringify({ ...document, info: undefined })));
    expect(info.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('has every operation of the store under its route', () => {
    const routes = Object.entries(STORE_OPERATIONS).map(([name, { method, path }]) => [
      name,
      method,
      `/v1/cogniverse/${path}`,
    ]);
    expect(OPERATIONS.map(({ operationId, method, path }) => [operationId, method, path]).sort()).toEqual(
      routes.sort(),
    );
  });

  it('says of every operation what it is for, and of no other', () => {
    expect(Object.keys(OPERATION_TEXTS).sort()).toEqual(Object.keys(STORE_OPERATIONS).sort());
  });

  it('gives examples that its own schemas take', () => {
    const wrong = OPERATIONS.filter(({ method }) => method === 'POST').flatMap((operation) => {
      const validate = validatorOf(
        'paths',
        operation.path,
        'post',
        'requestBody',
        'content',
        'application/json',
        'schema',
      );
      const fault = faults(validate, exampleOf(operation));
      return fault === '' ? [] : [`${operation.operationId}: ${fault}`];
    });
    expect(wrong).toEqual([]);
  });

  it('is true of every route: what its examples get is what it says, status and body', async () => {
    const spanId = 'b7ad6b7169203331';
    await send(running.url, [{ spanId, name: 'search', status: 2 }, { traceId: newId(32) }], {
      project: 'cogniverse-acme-search',
      tenant: 'acme',
    });
    // Ids that only the server knows, in the order in which its answers give them.
    const ids: Record<string, string> = {};
    const succeeded: string[] = [];
    const order = (name: string) =>
      /^(create|add)/.test(name) ? 0 : /^(append|logRun$)/.test(name) ? 1 : /^delete/.test(name) ? 3 : 2;
    for (const operation of [...OPERATIONS].sort((a, b) => order(a.operationId) - order(b.operationId))) {
      const request = { ...exampleOf(operation) };
      for (const field of ['dataset_id', 'experiment_id', 'run_id'])
        if (field in request && ids[field] !== undefined) request[field] = ids[field];
      const { status, body } = await ask(operation, request);
      const responses = ['paths', operation.path, operation.method.toLowerCase(), 'responses', String(status)];
      expect(
        document.paths[operation.path][operation.method.toLowerCase()].responses,
        operation.operationId,
      ).toHaveProperty(String(status));
      expect(
        faults(validatorOf(...responses, 'content', 'application/json', 'schema'), body),
        operation.operationId,
      ).toBe('');
      if (status !== 200) continue;
      succeeded.push(operation.operationId);
      if (operation.operationId === 'createDataset') ids['dataset_id'] = body.data.id;
      if (operation.operationId === 'createExperiment') ids['experiment_id'] = body.data.id;
      if (operation.operationId === 'logRun') ids['run_id'] = body.data.id;
    }
    expect(succeeded).toEqual(
      expect.arrayContaining([
        'querySpans',
        'getMetrics',
        'getStatistics',
        'addAnnotations',
        'getDatasetRows',
        'getRuns',
        'logRunEvaluation',
        'figures',
      ]),
    );
  });

  it('names the answers to a request that is wrong: unknown fields, unknown names', async () => {
    for (const operation of OPERATIONS) {
      const { status, body } = await ask(operation, { ...exampleOf(operation), no_such_field: 'x' });
      expect([operation.operationId, status, body.code]).toEqual([operation.operationId, 422, 'invalid_query']);
      expect(faults(validatorOf('components', 'schemas', 'Error'), body)).toBe('');
    }
  });

  it('refuses as a schema what the server refuses, so that a client can check before it asks', () => {
    const validate = validatorOf('components', 'schemas', 'QuerySpansRequest');
    const project = { tenant_id: null, name: 'p' };
    expect(validate({ project, limit: 1000 })).toBe(true);
    expect(validate({ project, limit: 1001 })).toBe(false);
    expect(validate({ project, limits: 1 })).toBe(false);
    expect(validate({ project: { name: 'p' } })).toBe(false);
  });
});
