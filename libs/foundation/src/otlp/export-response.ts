/**
 * `ExportTraceServiceResponse`: what a receiver says to a request it took.   Server's answer, and what the export pipeline reads.
 *
 * Source: OTLP 1.x, `trace_service.proto`: `partial_success { rejected_spans, error_message }`; an empty message is full success.
 */
import { ProtoReader } from './decoder.js';
import { OtlpDecodeError } from './limits.js';
import { ProtoWriter } from './proto-writer.js';

export interface ExportResponse {
  /** Spans the receiver refused; as it was sent, so check it against the spans of the request: it may be negative or too large. */
  rejectedSpans: number;
  /** Why, or a warning where none was rejected; may be empty. */
  message: string;
}

/** In JSON. `rejectedSpans` is an int64, hence a string. */
export interface ExportResponseJson {
  partialSuccess?: { rejectedSpans?: string; errorMessage?: string };
}

export function encodeExportResponse(response: ExportResponse): Uint8Array {
  if (response.rejectedSpans === 0 && response.message === '') return new Uint8Array(0);
  const writer = new ProtoWriter({ initialBytes: 128 });
  const start = writer.begin(0x0a);
  if (response.rejectedSpans !== 0) writer.int64(0x08, BigInt(response.rejectedSpans));
  if (response.message !== '') writer.string(0x12, response.message);
  writer.end(start);
  return writer.finish();
}

/** Errors: `OtlpDecodeError` (`malformed`). */
export function decodeExportResponse(body: Uint8Array): ExportResponse {
  return new ResponseReader(body).response();
}

export function encodeExportResponseJson(response: ExportResponse): ExportResponseJson {
  if (response.rejectedSpans === 0 && response.message === '') return {};
  return { partialSuccess: { rejectedSpans: String(response.rejectedSpans), errorMessage: response.message } };
}

/** Errors: `OtlpDecodeError` (`malformed`). */
export function decodeExportResponseJson(json: string | Uint8Array): ExportResponse {
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof json === 'string' ? json : Buffer.from(json).toString('utf8'));
  } catch (error) {
    throw new OtlpDecodeError('malformed', `The response is no JSON: ${(error as Error).message}`, { cause: error });
  }
  const response: ExportResponse = { rejectedSpans: 0, message: '' };
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw badResponse('it is no object');
  const partial = (parsed as ExportResponseJson).partialSuccess;
  if (partial === undefined || partial === null) return response;
  if (typeof partial !== 'object') throw badResponse('partialSuccess is no object');
  const { rejectedSpans, errorMessage } = partial as { rejectedSpans?: unknown; errorMessage?: unknown };
  if (rejectedSpans !== undefined && rejectedSpans !== null) {
    const count =
      typeof rejectedSpans === 'string' && /^-?[0-9]{1,19}$/.test(rejectedSpans)
        ? Number(rejectedSpans)
        : rejectedSpans;
    if (typeof count !== 'number' || !Number.isInteger(count)) throw badResponse('rejectedSpans is no integer');
    response.rejectedSpans = count;
  }
  if (errorMessage !== undefined && errorMessage !== null) {
    if (typeof errorMessage !== 'string') throw badResponse('errorMessage is no string');
    response.message = errorMessage;
  }
  return response;
}

class ResponseReader extends ProtoReader {
  response(): ExportResponse {
    const response: ExportResponse = { rejectedSpans: 0, message: '' };
    const end = this.bytes.length;
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) this.#partialSuccess(response, this.until(end));
      else this.skip(tag, end);
    }
    this.ended(end);
    return response;
  }

  #partialSuccess(response: ExportResponse, end: number): void {
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x08) response.rejectedSpans = Number(this.int64());
      else if (tag === 0x12) response.message = this.string(end);
      else this.skip(tag, end);
    }
    this.ended(end);
  }
}

function badResponse(why: string): OtlpDecodeError {
  return new OtlpDecodeError('malformed', `The response is no ExportTraceServiceResponse: ${why}.`);
}
