/**
 * A sender that is made when it is first needed.   Write path: retry-sender -> [lazy-sender] -> the target's sender.
 *
 * A target may belong to a provider, so making its sender may fail. That must not reach the caller whose span was first: it is the
 * outcome of an attempt, and the next attempt tries again.
 */
import type { ExportTarget, SpanSender } from './export-target.js';

export function lazySender(target: ExportTarget): SpanSender {
  let sender: SpanSender | undefined;
  return {
    async send(body, options) {
      try {
        sender ??= target.createSender();
      } catch (cause) {
        const error = new Error(`no sender could be made for ${target.key}: ${String(cause)}`, { cause });
        return { status: 'retryable', reason: 'max_elapsed', error, ambiguous: false };
      }
      return sender.send(body, options);
    },
    close: async () => sender?.close(),
  };
}
