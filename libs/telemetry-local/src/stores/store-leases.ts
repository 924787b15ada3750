/**
 * The stores of this process, one a data directory or server.   Provider, sender -> [store-leases] -> store.
 *
 * A directory has one writer: all tenants of a process that name it share one store, which is shut down when the last one lets go. A
 * provider that was evicted can so be read from for as long as another one uses its store.
 */
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';

export interface StoreLease {
  /** Rejects if the store could not be opened; then the lease holds nothing, and a new one tries again. */
  readonly store: Promise<TelemetryStore>;
  /** Once; a second call does nothing. Resolves when the store is shut down, if this was its last lease. */
  release(): Promise<void>;
}

interface OpenStore {
  readonly store: Promise<TelemetryStore>;
  leases: number;
}

export class StoreLeases {
  readonly #stores = new Map<string, OpenStore>();
  /** Stores that are still letting go of their lock: the next opening waits for it. */
  readonly #closing = new Map<string, Promise<void>>();

  /** Opens the store if nobody has it open. */
  acquire(key: string, open: () => Promise<TelemetryStore>): StoreLease {
    let entry = this.#stores.get(key);
    if (entry === undefined) {
      const opening: OpenStore = { store: this.#openAfterClosing(key, open), leases: 0 };
      opening.store.catch(() => this.#forget(key, opening)); // the error itself reaches whoever awaits `store`
      this.#stores.set(key, opening);
      entry = opening;
    }
    const held = entry;
    held.leases += 1;
    let released: Promise<void> | undefined;
    return {
      store: held.store,
      release: () => {
        released ??= this.#release(key, held);
        return released;
      },
    };
  }

  async #openAfterClosing(key: string, open: () => Promise<TelemetryStore>): Promise<TelemetryStore> {
    await this.#closing.get(key);
    return open();
  }

  #forget(key: string, entry: OpenStore): void {
    if (this.#stores.get(key) === entry) this.#stores.delete(key);
  }

  async #release(key: string, entry: OpenStore): Promise<void> {
    entry.leases -= 1;
    if (entry.leases > 0) return;
    this.#forget(key, entry);
    const closing = entry.store.then(
      (store) => store.shutdown(),
      () => undefined, // it never opened, so there is nothing to shut down; who awaited `store` has the error
    );
    // What the next opener waits for never rejects; the error of a shutdown belongs to whoever released.
    const settled = closing
      .catch(() => undefined)
      .then(() => {
        if (this.#closing.get(key) === settled) this.#closing.delete(key);
      });
    this.#closing.set(key, settled);
    await closing;
  }
}
