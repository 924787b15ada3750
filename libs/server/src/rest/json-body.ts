/** The JSON body of a request, held against a schema.   Write path: client -> [json-body] -> routes. */
import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';

/** Largest JSON body, in bytes. */
export const JSON_BODY_LIMIT = 64 * 1024 * 1024;
const SHOWN_FAULTS = 5;

/** Keys that the schema does not know are passed over, as Phoenix does it. Errors: `InvalidQueryError` naming each field that cannot be. */
export function readJsonBody<T>(request: FastifyRequest, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(request.body);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const faults = issues
    .slice(0, SHOWN_FAULTS)
    .map(({ path, message }) => `${path.join('.') || 'The body'}: ${message}`)
    .join('; ');
  const more = issues.length > SHOWN_FAULTS ? `; and ${issues.length - SHOWN_FAULTS} more` : '';
  throw new InvalidQueryError(`The body cannot be used. ${faults}${more}.`, { cause: parsed.error });
}
