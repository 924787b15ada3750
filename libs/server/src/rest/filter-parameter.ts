/** The query parameter `filter`, a condition in Phoenix's language.   Read path: client -> [filter-parameter] -> routes. */
import { InvalidQueryError, parseCondition } from '@cogniverse/foundation/store';
import { HttpAnswer } from '../error-answers.js';
import type { QueryParameters } from './query-parameters.js';

/** Undefined when it is not given or empty. Errors: `HttpAnswer` 400, as Phoenix's, for a filter that cannot be read. */
export function readFilter(query: QueryParameters, of: 'trace' | 'session'): string | undefined {
  const filter = query.single('filter')?.trim();
  if (!filter) return undefined;
  try {
    parseCondition(of, filter);
  } catch (error) {
    if (error instanceof InvalidQueryError) throw new HttpAnswer(400, error.message, { code: error.code });
    throw error;
  }
  return filter;
}
