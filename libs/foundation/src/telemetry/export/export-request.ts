/**
 * One OTLP request under way: its bytes, and whose spans are in it.   Write path: scheduler -> [export-request] -> retry-sender.
 *
 * A request that is refused as a whole is split by reading its own framing again, so that nothing is kept per span.
 */
import type { TenantLedger } from './ledger.js';
import { framedLength, writeVarint } from './span-blocks.js';
import type { TenantQueue } from './tenant-queue.js';

/** The spans of one project in a request, and how many of them still have no fate. */
export interface RequestShare {
  /** Absent for spans that come back from the spool. */
  readonly queue: TenantQueue | undefined;
  readonly ledger: TenantLedger;
  /** Sequence number of the first. */
  readonly from: number;
  readonly count: number;
  open: number;
  /** Not exported: dropped or rejected. */
  lost: number;
}

/** A request, or a part of one that was split. */
export interface RequestPiece {
  readonly body: Uint8Array;
  readonly spanCount: number;
  /** Of each share, in the order of the body, how many spans are in this piece. */
  readonly counts: readonly { readonly share: RequestShare; readonly count: number }[];
  /** An attempt may have delivered it. */
  ambiguous: boolean;
}

interface SpanPlace {
  /** Number of its `ResourceSpans` and of its `ScopeSpans`, counted through the body. */
  readonly resource: number;
  readonly scope: number;
  /** The framed entry. */
  readonly bytes: Uint8Array;
}

interface Field {
  readonly tag: number;
  /** With tag and length. */
  readonly framed: Uint8Array;
  readonly content: Uint8Array;
}

/** The length-delimited fields of a message that this process wrote itself. */
function* fields(message: Uint8Array): Generator<Field> {
  let position = 0;
  while (position < message.length) {
    const start = position;
    const tag = message[position++]!;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[position++]!;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const end = position + length;
    yield { tag, framed: message.subarray(start, end), content: message.subarray(position, end) };
    position = end;
  }
}

/** Two halves of a piece with more than one span, each a request of its own. */
export function splitPiece(piece: RequestPiece): [RequestPiece, RequestPiece] {
  const resources: Uint8Array[] = [];
  const scopes: Uint8Array[][] = [];
  const spans: SpanPlace[] = [];
  for (const resourceSpans of fields(piece.body)) {
    const resource = resources.length;
    for (const field of fields(resourceSpans.content)) {
      if (field.tag === 0x0a) resources.push(field.framed);
      else {
        const scope = scopes.length;
        const prefix: Uint8Array[] = [];
        scopes.push(prefix);
        for (const entry of fields(field.content)) {
          if (entry.tag === 0x12) spans.push({ resource, scope, bytes: entry.framed });
          else prefix.push(entry.framed);
        }
      }
    }
  }
  const middle = spans.length >> 1;
  const part = (from: number, to: number): RequestPiece => {
    const counts: { share: RequestShare; count: number }[] = [];
    let start = 0;
    for (const { share, count } of piece.counts) {
      const inside = Math.min(to, start + count) - Math.max(from, start);
      if (inside > 0) counts.push({ share, count: inside });
      start += count;
    }
    const body = joinSpans(spans.slice(from, to), resources, scopes);
    return { body, spanCount: to - from, counts, ambiguous: piece.ambiguous };
  };
  return [part(0, middle), part(middle, spans.length)];
}

function joinSpans(spans: SpanPlace[], resources: Uint8Array[], scopes: Uint8Array[][]): Uint8Array {
  const request: Uint8Array[] = [];
  for (let index = 0; index < spans.length; ) {
    const { resource } = spans[index]!;
    const content: Uint8Array[] = [resources[resource]!];
    while (index < spans.length && spans[index]!.resource === resource) {
      const { scope } = spans[index]!;
      const inScope: Uint8Array[] = [...scopes[scope]!];
      while (index < spans.length && spans[index]!.scope === scope) inScope.push(spans[index++]!.bytes);
      content.push(entry(0x12, inScope));
    }
    request.push(entry(0x0a, content));
  }
  return Buffer.concat(request);
}

function entry(tag: number, parts: Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const framed = new Uint8Array(framedLength(content.length));
  framed[0] = tag;
  framed.set(content, writeVarint(framed, 1, content.length));
  return framed;
}
