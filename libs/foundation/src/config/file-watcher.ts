/**
 * Says when a file may have changed.   Control path: configuration file -> [file watcher] -> store.
 *
 * The system's own notice where there is one, and a look at the file at intervals, which also sees what a notice misses: a directory that
 * is made later, a network file system, a link that leads elsewhere.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, ClockTimer } from '../telemetry/export/clock.js';

export interface FileWatcherOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly pollMillis: number;
  /** How long the file has to be left alone before it is looked at. */
  readonly debounceMillis: number;
  /** The file may have changed. */
  readonly onNotice: () => void;
}

export class FileWatcher {
  readonly #options: FileWatcherOptions;
  #watcher: FSWatcher | undefined;
  #poll: ClockTimer | undefined;
  #debounce: ClockTimer | undefined;
  #closed = false;

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.#attach();
    this.#schedulePoll();
  }

  #attach(): void {
    try {
      // The directory, because replacing a file is a change of its directory.
      const watcher = watch(dirname(this.#options.file), { persistent: false }, () => this.#noticed());
      watcher.on('error', () => this.#detach());
      this.#watcher = watcher;
    } catch {
      // No such directory yet, or no notices to be had: the look at intervals goes on, and tries again.
    }
  }

  #detach(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #schedulePoll(): void {
    this.#poll = this.#options.clock.schedule(this.#options.pollMillis, () => {
      if (this.#watcher === undefined) this.#attach();
      this.#options.onNotice();
      if (!this.#closed) this.#schedulePoll(); // who is told may have closed this
    });
  }

  #noticed(): void {
    if (this.#closed) return;
    this.#debounce?.cancel();
    this.#debounce = this.#options.clock.schedule(this.#options.debounceMillis, () => this.#options.onNotice());
  }

  close(): void {
    this.#closed = true;
    this.#detach();
    this.#poll?.cancel();
    this.#debounce?.cancel();
  }
}

export interface FileState {
  /** Changes with every replacement of the file, and with every writing to it that the system's clock can tell from the last. */
  readonly signature: string;
  /** When that was, in milliseconds since 1970. */
  readonly changedMillis: number;
}

export function stateOf(file: string): FileState {
  try {
    const stat = statSync(file, { bigint: true });
    return {
      signature: `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`,
      changedMillis: Math.max(Number(stat.mtimeMs), Number(stat.ctimeMs)),
    };
  } catch (error) {
    return { signature: String((error as NodeJS.ErrnoException).code), changedMillis: 0 };
  }
}
