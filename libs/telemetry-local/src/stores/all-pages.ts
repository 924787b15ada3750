/** All of a list that a store gives in pages, as a list.   Read path: stores of a provider -> [all-pages] -> store. */

import { itemsOfPages } from '@cogniverse/foundation/store';
import type { Page } from '@cogniverse/foundation/telemetry';

const PAGE_SIZE = 1000;

export async function allPages<T>(
  read: (page: { readonly limit: number; readonly cursor: string | undefined }) => Promise<Page<T>>,
): Promise<T[]> {
  const items: T[] = [];
  for await (const item of itemsOfPages((cursor) => read({ limit: PAGE_SIZE, cursor }))) items.push(item);
  return items;
}
