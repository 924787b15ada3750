/**
 * Connections that have not asked for anything yet, oldest first.   Server: socket -> [waiting-connections] -> first request.
 *
 * They may hold half of a port's connections: whoever opens thousands and sends nothing pushes out its own, not those that are in use.
 */
export class WaitingConnections<T extends { destroy(): unknown }> {
  readonly #waiting = new Set<T>();
  readonly #max: number;

  constructor(options: { maxConnections: number }) {
    this.#max = Math.max(1, Math.floor(options.maxConnections / 2));
  }

  add(connection: T): void {
    this.#waiting.add(connection);
    if (this.#waiting.size <= this.#max) return;
    const [oldest] = this.#waiting;
    this.#waiting.delete(oldest!);
    oldest!.destroy();
  }

  /** It asked for something, or it is gone. */
  delete(connection: T): void {
    this.#waiting.delete(connection);
  }
}
