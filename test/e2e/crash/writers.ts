/** Clients that write until the server is gone, over both transports, and remember what was acknowledged. */
import { Agent, request } from 'node:http';
import { Client, credentials } from '@grpc/grpc-js';
import { bodyOf } from './spans.js';

const SPANS_A_REQUEST = 20;
/** Of one server, after which writers only keep it busy: what ends a round may be a deletion, and takes its time. */
const ENOUGH = 1_500;
const PAUSE_MILLIS = 100;

export class Tally {
  readonly sent = new Set<number>();
  readonly acknowledged = new Set<number>();
  #next: number;

  constructor(firstIndex: number) {
    this.#next = firstIndex;
  }

  take(): number[] {
    const indexes = Array.from({ length: SPANS_A_REQUEST }, () => this.#next++);
    for (const index of indexes) this.sent.add(index);
    return indexes;
  }

  acknowledge(indexes: readonly number[]): void {
    for (const index of indexes) this.acknowledged.add(index);
  }
}

export interface Writer {
  /** Settles when the server no longer answers, or `stop` was called. */
  done: Promise<void>;
  stop(): void;
}

type Send = (body: Uint8Array) => Promise<'acknowledged' | 'busy' | 'gone'>;

function write(send: Send, close: () => void, tally: Tally): Writer {
  let stopped = false;
  const loop = async () => {
    while (!stopped) {
      const indexes = tally.take();
      const body = bodyOf(indexes);
      let outcome = await send(body);
      while (outcome === 'busy' && !stopped) outcome = await send(body);
      if (outcome === 'acknowledged') tally.acknowledge(indexes);
      if (tally.acknowledged.size > ENOUGH) await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));
      if (outcome === 'gone') return;
    }
  };
  return {
    done: loop().finally(close),
    stop: () => {
      stopped = true;
    },
  };
}

export function writeOverHttp(url: string, tally: Tally): Writer {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send: Send = (body) =>
    new Promise((resolve) => {
      const outgoing = request(
        url,
        { method: 'POST', agent, headers: { 'content-type': 'application/x-protobuf', 'content-length': body.length } },
        (response) => {
          response.resume();
          response.on('error', () => resolve('gone'));
          // Only a response that arrived whole is an acknowledgement.
          response.on('end', () => resolve(response.statusCode === 200 ? 'acknowledged' : 'busy'));
        },
      );
      outgoing.on('error', () => resolve('gone'));
      outgoing.end(body);
    });
  return write(send, () => agent.destroy(), tally);
}

export function writeOverGrpc(address: string, tally: Tally): Writer {
  const client = new Client(address, credentials.createInsecure());
  const send: Send = (body) =>
    new Promise((resolve) => {
      client.makeUnaryRequest(
        '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => value,
        body,
        { deadline: Date.now() + 20_000 },
        (error) => {
          if (error === null) resolve('acknowledged');
          else resolve(/RESOURCE_EXHAUSTED/.test(error.message) ? 'busy' : 'gone');
        },
      );
    });
  return write(send, () => client.close(), tally);
}
