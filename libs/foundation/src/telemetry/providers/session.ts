/** The session of a provider's `sessionContext`.   Write path: provider -> [session] -> spans that start inside. */
import { context } from '@opentelemetry/api';
import { SESSION_KEY } from '../context-keys.js';

/** Runs `fn` with the session set for spans that start inside, as far as their tenant is the same. */
export function withSession<T>(sessionId: string, fn: () => T): T {
  return context.with(context.active().setValue(SESSION_KEY, sessionId), fn);
}
