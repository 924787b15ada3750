/**
 * What the store answers from `meta.duckdb` and from metrics over spans.   Store worker -> [handlers].
 */
import type { StoreEngine } from '../engine.js';
import type { StoreHandlers } from '../store-port.js';

export interface MetaHandlers {
  readonly handlers: Partial<StoreHandlers>;
  /** Called when no call runs any more. */
  close(): Promise<void>;
}

export async function metaHandlers(engine: StoreEngine): Promise<MetaHandlers> {
  const connection = await engine.metaConnection();
  return {
    handlers: {},
    close: async () => connection.closeSync(),
  };
}
