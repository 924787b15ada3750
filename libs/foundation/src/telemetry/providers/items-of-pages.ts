/** Everything of a list that comes in pages, one after the other.   Read path: caller -> [items-of-pages] -> store. */
import type { Page } from './records.js';

/** Asks for a page when the one before is used up: whoever stops early asks no further. `read` gets the cursor of the next page, undefined for the first. */
export async function* itemsOfPages<T>(read: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page: Page<T> = await read(cursor);
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
