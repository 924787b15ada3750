/** Which session a span names.   Write path: span -> [session-id] -> row; read path: stored span -> [session-id] -> record. */
import { SemanticConventions } from '@arizeai/openinference-semantic-conventions';
import type { Attributes } from '../../otlp/model.js';

/** OpenInference's attribute first, OpenTelemetry's where that one says nothing: as Phoenix reads them. */
const SESSION_ATTRIBUTES = [SemanticConventions.SESSION_ID, 'gen_ai.conversation.id'];

/** A text that is not empty, or a whole number by its digits. Undefined where the span names no session. */
export function sessionIdOf(attributes: Attributes): string | undefined {
  for (const key of SESSION_ATTRIBUTES) {
    const value = attributes.get(key);
    if (typeof value === 'bigint') return String(value);
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}
