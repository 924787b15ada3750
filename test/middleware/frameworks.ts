/** The same service in Express, Fastify and Hono, on real sockets: one route for each thing that a handler may do. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  expressTelemetry,
  fastifyTelemetry,
  honoTelemetry,
  type MiddlewareOptions,
  type Telemetry,
  TenantRequiredError,
} from '@cogniverse/foundation/telemetry';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import express from 'express';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';

/** The options without what differs between frameworks: a request's headers are read by name. */
export interface ServiceOptions extends Omit<MiddlewareOptions<unknown>, 'tenant' | 'session' | 'trust'> {
  readonly tenant?: (header: (name: string) => string | undefined) => string | undefined | Promise<string | undefined>;
  readonly trust?: boolean | ((header: (name: string) => string | undefined) => boolean);
  /** Mounts the middleware a second time, behind the first. */
  readonly twice?: boolean;
}

/** What the test decides while a request is under way. */
export class Gates {
  readonly #gates = new Map<string, { readonly opened: Promise<void>; readonly open: () => void }>();
  readonly arrived: string[] = [];

  #gate(key: string) {
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      let open!: () => void;
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      gate = { opened, open };
      this.#gates.set(key, gate);
    }
    return gate;
  }

  wait(key: string): Promise<void> {
    this.arrived.push(key);
    return this.#gate(key).opened;
  }

  open(key: string): void {
    this.#gate(key).open();
  }
}

export interface Service {
  readonly port: number;
  close(): Promise<void>;
}

export interface Framework {
  readonly name: string;
  listen(telemetry: Telemetry, gates: Gates, options?: ServiceOptions): Promise<Service>;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function* parts(telemetry: Telemetry, count: number) {
  for (let part = 0; part < count; part += 1) {
    await nextTurn();
    yield telemetry.span(`part ${part}`, () => `part ${part}\n`);
  }
}

function upperCase(telemetry: Telemetry): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      telemetry.span('transform', () => done(null, String(chunk).toUpperCase()));
    },
  });
}

/** Listens to the raw events of the request's body. */
function readEvents(telemetry: Telemetry, request: IncomingMessage): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      telemetry.span('data', () => {
        bytes += chunk.length;
      });
    });
    request.on('end', () => telemetry.span('end', () => resolve(bytes)));
    request.on('error', reject);
  });
}

async function listening(server: Server): Promise<Service> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const defaults = { tenant: (header: (name: string) => string | undefined) => header('x-tenant') };

const onExpress: Framework = {
  name: 'Express',
  async listen(telemetry, gates, given = {}) {
    const { tenant = defaults.tenant, trust, twice, ...options } = given;
    const app = express();
    app.disable('x-powered-by');
    app.set('env', 'test'); // Express prints errors in other environments
    const middleware = expressTelemetry(telemetry, {
      ...options,
      tenant: (request: express.Request) => tenant((name) => request.get(name)),
      session: (request) => request.get('x-session'),
      trust: typeof trust === 'function' ? (request) => trust((name) => request.get(name)) : trust,
    });
    app.use(middleware);
    if (twice) app.use(middleware);
    const api = express.Router();
    app.use('/api', api);
    api.get('/plain/:id', (request, response) => {
      telemetry.span('work', () => response.send(`plain ${request.params.id}`));
    });
    api.get('/wait/:key', async (request, response) => {
      await telemetry.span(`before ${request.params.key}`, () => gates.wait(request.params.key));
      telemetry.span(`after ${request.params.key}`, () => response.send(request.params.key));
    });
    api.get('/written/:key', async (request, response) => {
      await gates.wait(request.params.key);
      response.write('-', () => telemetry.span(`written ${request.params.key}`, () => response.end()));
    });
    api.get('/stream', async (_request, response) => {
      for await (const part of parts(telemetry, 3)) response.write(part);
      response.end();
    });
    api.get('/readable', (_request, response) => {
      Readable.from(parts(telemetry, 3)).pipe(response);
    });
    api.get('/endless', async (_request, response) => {
      response.type('text/event-stream').flushHeaders();
      for (let event = 0; !response.destroyed; event += 1) {
        telemetry.span('event', () => response.write(`data: ${event}\n\n`));
        await nextTurn();
      }
      telemetry.span('left', () => undefined);
    });
    api.get('/broken-stream', async (_request, response) => {
      response.write('begun');
      await nextTurn();
      response.destroy(new Error('the index is gone'));
    });
    api.post('/events', async (request, response) => {
      response.send(String(await readEvents(telemetry, request)));
    });
    api.post('/pipeline', (request, response) => pipeline(request, upperCase(telemetry), response));
    api.post('/json', express.json(), (request, response) => {
      telemetry.span('work', () => response.json(request.body));
    });
    api.get('/throws', () => {
      throw new TypeError('thrown');
    });
    api.get('/rejects', async () => {
      await nextTurn();
      throw new TypeError('rejected');
    });
    api.get('/passes', (_request, _response, next) => {
      setImmediate(() => next(new TypeError('passed on')));
    });
    api.get('/refuses', () => {
      throw Object.assign(new Error('not yours'), { status: 403 });
    });
    app.use(
      (
        error: Error & { status?: number },
        _request: express.Request,
        response: express.Response,
        _next: express.NextFunction,
      ) => {
        telemetry.span('handle error', () => response.status(error.status ?? 500).send(error.message));
      },
    );
    return listening(createServer(app));
  },
};

const onFastify: Framework = {
  name: 'Fastify',
  async listen(telemetry, gates, given = {}) {
    const { tenant = defaults.tenant, trust, twice, ...options } = given;
    const headerOf = (request: FastifyRequest) => (name: string) => request.headers[name] as string | undefined;
    const app = Fastify();
    const plugin = fastifyTelemetry(telemetry, {
      ...options,
      tenant: (request: FastifyRequest) => tenant(headerOf(request)),
      session: (request) => request.headers['x-session'],
      trust: typeof trust === 'function' ? (request) => trust(headerOf(request)) : trust,
    });
    app.register(plugin);
    if (twice) app.register(plugin);
    app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null));
    app.setErrorHandler((error: Error & { status?: number }, _request, reply) =>
      telemetry.span('handle error', () => reply.status(error.status ?? 500).send(error.message)),
    );
    app.register(
      async (api) => {
        api.get<{ Params: { id: string } }>('/plain/:id', (request, reply) => {
          telemetry.span('work', () => reply.send(`plain ${request.params.id}`));
        });
        api.get<{ Params: { key: string } }>('/wait/:key', async (request) => {
          const { key } = request.params;
          await telemetry.span(`before ${key}`, () => gates.wait(key));
          return telemetry.span(`after ${key}`, () => key);
        });
        api.get<{ Params: { key: string } }>('/written/:key', async (request, reply) => {
          reply.hijack();
          await gates.wait(request.params.key);
          reply.raw.write('-', () => telemetry.span(`written ${request.params.key}`, () => reply.raw.end()));
        });
        api.get('/stream', async (_request, reply) => {
          reply.hijack();
          for await (const part of parts(telemetry, 3)) reply.raw.write(part);
          reply.raw.end();
        });
        api.get('/readable', (_request, reply) => reply.send(Readable.from(parts(telemetry, 3))));
        api.get('/endless', async (_request, reply) => {
          reply.hijack();
          reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
          for (let event = 0; !reply.raw.destroyed; event += 1) {
            telemetry.span('event', () => reply.raw.write(`data: ${event}\n\n`));
            await nextTurn();
          }
          telemetry.span('left', () => undefined);
        });
        api.get('/broken-stream', async (_request, reply) => {
          reply.hijack();
          reply.raw.write('begun');
          await nextTurn();
          reply.raw.destroy(new Error('the index is gone'));
        });
        api.post('/events', async (request) => String(await readEvents(telemetry, request.raw)));
        api.post('/pipeline', async (request, reply) => {
          reply.hijack();
          await pipeline(request.raw, upperCase(telemetry), reply.raw);
        });
        api.post('/json', (request) => telemetry.span('work', () => request.body as object));
        api.get('/throws', () => {
          throw new TypeError('thrown');
        });
        api.get('/rejects', async () => {
          await nextTurn();
          throw new TypeError('rejected');
        });
        api.get('/passes', (_request: FastifyRequest, reply: FastifyReply) => {
          setImmediate(() => reply.send(new TypeError('passed on')));
        });
        api.get('/refuses', () => {
          throw Object.assign(new Error('not yours'), { status: 403, statusCode: 403 });
        });
      },
      { prefix: '/api' },
    );
    await app.ready();
    await app.listen({ port: 0, host: '127.0.0.1' });
    return {
      port: (app.server.address() as AddressInfo).port,
      async close() {
        app.server.closeAllConnections();
        await app.close();
      },
    };
  },
};

type Env = { Bindings: HttpBindings };

/** Also run without a socket: `app.request()`. */
export function honoApp(telemetry: Telemetry, gates: Gates, given: ServiceOptions = {}): Hono<Env> {
  const { tenant = defaults.tenant, trust, twice, ...options } = given;
  const app = new Hono<Env>();
  const middleware = honoTelemetry(telemetry, {
    ...options,
    tenant: (c: Context<Env>) => tenant((name) => c.req.header(name)),
    session: (c) => c.req.header('x-session'),
    trust: typeof trust === 'function' ? (c) => trust((name) => c.req.header(name)) : trust,
  });
  app.use(middleware);
  if (twice) app.use(middleware);
  app.onError((error, c) => {
    if (error instanceof TenantRequiredError) return error.getResponse(); // it comes from the middleware, so it is outside of its context
    return telemetry.span('handle error', () => c.text(error.message, (error as { status?: 500 }).status ?? 500));
  });
  const api = new Hono<Env>();
  api.get('/plain/:id', (c) => telemetry.span('work', () => c.text(`plain ${c.req.param('id')}`)));
  api.get('/wait/:key', async (c) => {
    const key = c.req.param('key');
    await telemetry.span(`before ${key}`, () => gates.wait(key));
    return telemetry.span(`after ${key}`, () => c.text(key));
  });
  api.get('/written/:key', async (c) => {
    const { outgoing } = c.env;
    await gates.wait(c.req.param('key'));
    outgoing.write('-', () => telemetry.span(`written ${c.req.param('key')}`, () => outgoing.end()));
    return RESPONSE_ALREADY_SENT;
  });
  const streamed = (c: Context<Env>) =>
    c.body(Readable.toWeb(Readable.from(parts(telemetry, 3)).map((part) => Buffer.from(part))) as ReadableStream);
  api.get('/stream', streamed);
  api.get('/readable', streamed);
  api.get('/endless', (c) =>
    streamSSE(c, async (stream) => {
      for (let event = 0; !stream.aborted; event += 1) {
        telemetry.span('event', () => undefined);
        await stream.writeSSE({ data: String(event) });
        await nextTurn();
      }
      telemetry.span('left', () => undefined);
    }),
  );
  api.get('/broken-stream', (c) => {
    let begun = false;
    return c.body(
      new ReadableStream({
        async pull(controller) {
          await nextTurn();
          if (begun) throw new Error('the index is gone');
          begun = true;
          controller.enqueue(Buffer.from('begun'));
        },
      }),
    );
  });
  api.post('/events', async (c) => {
    let bytes = 0;
    for await (const chunk of c.req.raw.body as unknown as AsyncIterable<Uint8Array>) {
      telemetry.span('data', () => {
        bytes += chunk.length;
      });
    }
    telemetry.span('end', () => undefined);
    return c.text(String(bytes));
  });
  api.post('/pipeline', (c) => {
    const upper = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) =>
        telemetry.span('transform', () => controller.enqueue(Buffer.from(Buffer.from(chunk).toString().toUpperCase()))),
    });
    return c.body(c.req.raw.body!.pipeThrough(upper));
  });
  api.post('/json', async (c) => {
    const body = await c.req.json();
    return telemetry.span('work', () => c.json(body));
  });
  api.get('/throws', () => {
    throw new TypeError('thrown');
  });
  api.get('/rejects', async () => {
    await nextTurn();
    throw new TypeError('rejected');
  });
  api.get('/passes', () => Promise.reject(new TypeError('passed on')));
  api.get('/refuses', () => {
    throw Object.assign(new Error('not yours'), { status: 403 });
  });
  app.route('/api', api);
  return app;
}

const onHono: Framework = {
  name: 'Hono',
  async listen(telemetry, gates, options) {
    const listener = getRequestListener(honoApp(telemetry, gates, options).fetch) as (
      request: IncomingMessage,
      response: ServerResponse,
    ) => void;
    return listening(createServer(listener));
  },
};

export const frameworks: readonly Framework[] = [onExpress, onFastify, onHono];
