/**
 * A request made anew from one that was sent: other ids, other times, all else the same.   Benchmark store-goals: spans -> [renewed] -> sender.
 *
 * Generating spans costs more than the server does to take them in, and both have the same two cores. Ids are changed by one mask a request, so spans keep their
 * traces and parents.
 */
import { randomFillSync } from 'node:crypto';

const LENGTH_DELIMITED = 2;
const FIXED64 = 1;

/** Calls `seen(field, wireType, from, to)` for each field of the message in the bytes. */
function walk(bytes, from, to, seen) {
  let at = from;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < to) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === 0) varint();
    else {
      const length = wireType === LENGTH_DELIMITED ? varint() : wireType === FIXED64 ? 8 : 4;
      seen(tag >>> 3, wireType, at, at + length);
      at += length;
    }
  }
}

/** Where ids and times are in an `ExportTraceServiceRequest`. */
function placesOf(body) {
  const traceIds = [];
  const spanIds = [];
  const times = [];
  const time = (_field, wireType, from) => wireType === FIXED64 && times.push(from);
  walk(body, 0, body.length, (_resource, _type, resourceFrom, resourceTo) =>
    walk(body, resourceFrom, resourceTo, (scopeField, _scopeType, scopeFrom, scopeTo) => {
      if (scopeField !== 2) return;
      walk(body, scopeFrom, scopeTo, (spanField, _spanType, spanFrom, spanTo) => {
        if (spanField !== 2) return;
        walk(body, spanFrom, spanTo, (field, wireType, from, to) => {
          if (field === 1) traceIds.push(from);
          else if (field === 2 || field === 4) spanIds.push(from);
          else if (field === 7 || field === 8) time(field, wireType, from);
          else if (field === 11) walk(body, from, to, time);
        });
      });
    }),
  );
  return { traceIds, spanIds, times };
}

export class RenewableRequest {
  #body;
  #places;
  #madeAt;
  spans;

  constructor({ body, spans }, madeAt) {
    this.#body = Buffer.from(body);
    this.#places = placesOf(this.#body);
    this.#madeAt = madeAt;
    this.spans = spans;
  }

  /** The request as of now. What an earlier call gave is not changed. */
  now() {
    const body = Buffer.from(this.#body);
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const mask = randomFillSync(Buffer.alloc(16));
    const { traceIds, spanIds, times } = this.#places;
    for (const at of traceIds) for (let i = 0; i < 16; i++) body[at + i] ^= mask[i];
    for (const at of spanIds) for (let i = 0; i < 8; i++) body[at + i] ^= mask[i];
    const later = BigInt(Date.now() - this.#madeAt) * 1_000_000n;
    for (const at of times) view.setBigUint64(at, view.getBigUint64(at, true) + later, true);
    return body;
  }
}
