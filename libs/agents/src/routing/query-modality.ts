/** Kinds of content that a query searches.   Routing: what each latency and error is counted under. */

export const QueryModality = Object.freeze({
  VIDEO: 'video',
  IMAGE: 'image',
  AUDIO: 'audio',
  DOCUMENT: 'document',
  TEXT: 'text',
  MIXED: 'mixed',
});
export type QueryModality = (typeof QueryModality)[keyof typeof QueryModality];

/** In the order in which statistics list them. */
export const MODALITIES: readonly QueryModality[] = Object.freeze(Object.values(QueryModality));
