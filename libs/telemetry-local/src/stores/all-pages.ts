/** All of a list that a store gives in pages.   Read path: stores of a provider -> [all-pages] -> store. */
import type { Page } from '@cogniverse/foundation/telemetry';

const PAGE_SIZE = 1000;

export async function allPages<T>(
  read: (page: { readonly limit: number; readonly cursor: string | undefined }) => Promise<Page<T>>,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<T> = await read({ limit: PAGE_SIZE, cursor });
    for (const item of page.items) items.push(item);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}
