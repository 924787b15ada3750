/** Shortens a span that is too large.   Write path: router -> [span-size] -> encoder. Off the usual path. */
import type { AttributeList } from '../otlp/attribute-list.js';
import { type EncodableValue, encodeSpanInto, ProtoWriter } from '../otlp/index.js';
import { CUT_VALUES_COUNT } from './attributes.js';
import type { SpanRecord } from './span.js';

/** A text of the span, and how to replace it. */
interface Text {
  readonly bytes: number;
  readonly text: string;
  readonly replace: (text: string) => void;
}

/** A length may take more bytes than it did, once on each level; and the count of cuts is an attribute of its own. */
const BYTES_BESIDES_TEXTS = 64;

/**
 * Cuts the longest texts of a span to one common length, the greatest with which the span takes `maxBytes` at most, and records how many
 * were cut. False: there is too much besides the texts.
 */
export function cutLongestTexts(record: SpanRecord, maxBytes: number): boolean {
  const texts: Text[] = [];
  collect(record.attributes, texts);
  for (const event of record.events) collect(event.attributes, texts);
  for (const link of record.links) collect(link.attributes, texts);
  const { status } = record;
  texts.push({
    bytes: Buffer.byteLength(status.message),
    text: status.message,
    replace: (text) => {
      status.message = text;
    },
  });
  let textBytes = 0;
  for (const { bytes } of texts) textBytes += bytes;
  const besides = sizeWithoutTexts(record, texts) + texts.length * 8 + BYTES_BESIDES_TEXTS;
  let room = maxBytes - besides;
  if (room < 0) return false;
  if (textBytes <= room) return false; // nothing would be cut; the caller found it too large
  // The longest give most: those shorter than an equal share keep all they have.
  texts.sort((a, b) => a.bytes - b.bytes);
  let left = texts.length;
  let cut = 0;
  for (const { bytes, text, replace } of texts) {
    const share = Math.floor(room / left);
    if (bytes <= share) room -= bytes;
    else {
      const shorter = cutToBytes(text, share);
      replace(shorter);
      room -= Buffer.byteLength(shorter);
      cut += 1;
    }
    left -= 1;
  }
  record.attributes.set(CUT_VALUES_COUNT, cut);
  return true;
}

function collect(attributes: AttributeList | Map<string, EncodableValue>, texts: Text[]): void {
  for (const [key, value] of attributes) {
    collectValue(value, (text) => attributes.set(key, text), texts);
  }
}

function collectValue(value: EncodableValue, replace: (text: string) => void, texts: Text[]): void {
  if (typeof value === 'string') texts.push({ bytes: Buffer.byteLength(value), text: value, replace });
  else if (Array.isArray(value)) {
    const elements = value as EncodableValue[];
    for (const [index, element] of elements.entries()) {
      collectValue(
        element,
        (text) => {
          elements[index] = text;
        },
        texts,
      );
    }
  } else if (value instanceof Map) collect(value, texts);
}

function sizeWithoutTexts(record: SpanRecord, texts: readonly Text[]): number {
  for (const { replace } of texts) replace('');
  const writer = new ProtoWriter();
  try {
    encodeSpanInto(writer, record);
    return writer.length;
  } finally {
    for (const { text, replace } of texts) replace(text);
  }
}

/** The longest beginning that takes at most `bytes` in UTF-8 and splits no character. */
function cutToBytes(text: string, bytes: number): string {
  // A character takes a byte at least, so what is behind `bytes` characters never fits.
  const candidate = text.slice(0, bytes);
  const { read } = new TextEncoder().encodeInto(candidate, new Uint8Array(bytes));
  return candidate.slice(0, read);
}
