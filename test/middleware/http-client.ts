/** Clients that do what browsers do not: many requests on one connection, requests cut short. */
import http from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string | readonly string[];
  readonly agent?: http.Agent;
}

export function call(port: number, path: string, options: CallOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { body = [], ...rest } = options;
    const request = http.request({ host: '127.0.0.1', port, path, ...rest }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    const parts = typeof body === 'string' ? [body] : [...body];
    const write = (): void => {
      const part = parts.shift();
      if (part === undefined) request.end();
      else request.write(part, () => setImmediate(write));
    };
    write();
  });
}

/** Begins a call and hangs up: as soon as `until` resolves, or with `events` parts of the response. */
export function callAndLeave(
  port: number,
  path: string,
  headers: http.OutgoingHttpHeaders,
  until: Promise<void> | number,
): Promise<void> {
  return new Promise((resolve) => {
    let left = typeof until === 'number' ? until : Number.POSITIVE_INFINITY;
    const request = http.get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      response.on('data', () => {
        left -= 1;
        if (left === 0) request.destroy();
      });
      response.on('error', () => undefined);
    });
    request.on('error', () => undefined).on('close', () => resolve());
    if (typeof until !== 'number') void until.then(() => request.destroy());
  });
}

/** One connection, written and read as text. */
export class RawConnection {
  readonly #socket: Socket;
  #text = '';
  #changed: () => void = () => undefined;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('utf8').on('data', (chunk) => {
      this.#text += chunk;
      this.#changed();
    });
  }

  /** Writes requests, all in one packet. */
  send(
    requests: readonly { readonly path: string; readonly tenant?: string | undefined; readonly session?: string }[],
  ): void {
    this.#socket.write(
      requests
        .map(({ path, tenant, session }) =>
          [
            `GET ${path} HTTP/1.1`,
            'host: localhost',
            ...(tenant === undefined ? [] : [`x-tenant: ${tenant}`]),
            ...(session === undefined ? [] : [`x-session: ${session}`]),
            '\r\n',
          ].join('\r\n'),
        )
        .join(''),
    );
  }

  /** What came since the connection began, once there are `count` responses. */
  async responses(count: number): Promise<string> {
    while (this.#text.split('HTTP/1.1 ').length <= count) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this.#text;
  }

  close(): void {
    this.#socket.destroy();
  }
}
