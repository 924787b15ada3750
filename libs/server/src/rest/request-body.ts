/**
 * JSON bodies of Phoenix's REST, checked: 422 names the field and what it must be.   Write path: client -> [request-body] -> routes.
 */
import { InvalidQueryError, parseTime } from '@cogniverse/foundation/store';
import { z } from 'zod';

/** Keys that are not known are passed over, as Phoenix does. Errors: `InvalidQueryError`. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InvalidQueryError(`The body's ${issue!.path.join('.') || 'content'}: ${issue!.message}.`);
}

export const jsonRecord = z.record(z.string(), z.unknown());

/** ISO 8601, where a time without zone is UTC. Nanoseconds since 1970. */
export const bodyTime = z.string().transform((text, context) => {
  try {
    const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`;
    return parseTime(zoned, 'time');
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});
