/** Stored spans as lines of OTLP JSON, each a `TracesData`.   Read path: store -> [span-lines] -> file. */
import { encodeTracesJson } from '@cogniverse/foundation/otlp';
import type { StoredSpan } from '@cogniverse/foundation/telemetry';

/** A line is a request when it is imported: small enough for any receiver, large enough to be worth one. */
const SPANS_A_LINE = 100;
const CHARACTERS_A_LINE = 1024 * 1024;

export interface SpanLine {
  readonly text: string;
  readonly spans: number;
}

/** Keeps the order of the spans; neighbours of one resource and scope share it. */
export async function* spanLines(spans: AsyncIterable<StoredSpan>): AsyncGenerator<SpanLine> {
  let groups: { origin: string; open: string; close: string; spans: string[] }[] = [];
  let count = 0;
  let characters = 0;
  for await (const stored of spans) {
    const { origin, open, close, span } = partsOf(stored);
    if (groups.at(-1)?.origin !== origin) groups.push({ origin, open, close, spans: [] });
    groups.at(-1)!.spans.push(span);
    count += 1;
    characters += span.length;
    if (count === SPANS_A_LINE || characters >= CHARACTERS_A_LINE) {
      yield { text: lineOf(groups), spans: count };
      groups = [];
      count = 0;
      characters = 0;
    }
  }
  if (count > 0) yield { text: lineOf(groups), spans: count };
}

function lineOf(groups: readonly { open: string; close: string; spans: readonly string[] }[]): string {
  return `{"resourceSpans":[${groups.map(({ open, close, spans }) => open + spans.join(',') + close).join(',')}]}`;
}

/** One span's JSON, and that of its resource and scope around the place where spans stand. */
function partsOf(stored: StoredSpan) {
  const { resource, resourceSchemaUrl, scope, scopeSchemaUrl, span } = stored;
  const scopeSpans = [{ scope, schemaUrl: scopeSchemaUrl, spans: [span] }];
  const json = encodeTracesJson({ resourceSpans: [{ resource, schemaUrl: resourceSchemaUrl, scopeSpans }] });
  const { scopeSpans: ofScopes, ...ofResource } = json.resourceSpans[0]!;
  const { spans, ...ofScope } = ofScopes[0]!;
  const open = `{${membersOf(ofResource)}"scopeSpans":[{${membersOf(ofScope)}"spans":[`;
  return { origin: open, open, close: ']}]}', span: JSON.stringify(spans[0]) };
}

/** The members of a JSON object, with a comma behind each. */
function membersOf(value: object): string {
  const text = JSON.stringify(value).slice(1, -1);
  return text === '' ? '' : `${text},`;
}
