/** A search with telemetry: the function that the tests of this project are about. */
import { getTelemetryManager, type Telemetry } from '@cogniverse/foundation/telemetry';

const PASSAGES = ['The blue whale eats krill.', 'A humpback whale sings.', 'Krill live in swarms.'];

export function search(
  tenantId: string,
  query: string,
  telemetry: Telemetry = getTelemetryManager(),
): Promise<string[]> {
  return telemetry.span('search', { tenantId, attributes: { query } }, async (span) => {
    const words = await telemetry.span('encode', async () => wordsOf(query));
    const hits = telemetry.span('match', () =>
      PASSAGES.filter((passage) => words.every((word) => wordsOf(passage).includes(word))),
    );
    span.setAttribute('hits', hits.length);
    return hits;
  });
}

function wordsOf(text: string): string[] {
  const words = text.toLowerCase().match(/\w+/g);
  if (words === null) throw new Error('there is no word in the query');
  return words;
}
