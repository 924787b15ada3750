/**
 * Checks of the fields that annotations, data sets and experiments have in common.   Meta store: [meta-fields].
 */

import { InvalidQueryError, jsonObject } from '@cogniverse/foundation/store';
import type { AnnotatorKind } from '@cogniverse/foundation/telemetry';
import type { DuckDBAppender } from '@duckdb/node-api';

const ANNOTATOR_KINDS: readonly string[] = ['HUMAN', 'LLM', 'CODE'] satisfies AnnotatorKind[];

export function annotatorKindOf(kind: AnnotatorKind, field: string): AnnotatorKind {
  if (ANNOTATOR_KINDS.includes(kind)) return kind;
  throw new InvalidQueryError(`${field} is ${JSON.stringify(kind)}; it must be one of ${ANNOTATOR_KINDS.join(', ')}.`);
}

export function requiredName(value: string, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidQueryError(`${field} is ${JSON.stringify(value) ?? 'missing'}; it must be a string, and not empty.`);
}

export function finiteScore(score: number | null | undefined, field: string): number | null {
  if (score === undefined || score === null) return null;
  if (typeof score === 'number' && Number.isFinite(score)) return score;
  throw new InvalidQueryError(`${field} is ${String(score)}; it must be a finite number, or left out.`);
}

export function jsonText(value: Record<string, unknown>, field: string): string {
  return JSON.stringify(jsonObject(value, field));
}

export function appendText(appender: DuckDBAppender, value: string | null): void {
  if (value === null) appender.appendNull();
  else appender.appendVarchar(value);
}
