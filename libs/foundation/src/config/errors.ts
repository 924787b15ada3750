/** What goes wrong with stored configuration.   Control path: configuration file -> store -> manager. */
import { ConfigurationError, TelemetryError } from '../telemetry/errors.js';

/**
 * Why a configuration file cannot be used. `damaged`: what is in it is no stored configuration. `newer_format`: a later release wrote it.
 * `unreadable`, `unwritable`: the system refused. `locked`: another process did not release its lock in time.
 */
export type ConfigFileReason = 'damaged' | 'newer_format' | 'unreadable' | 'unwritable' | 'locked';

/** Where a damaged file is damaged: line and column from 1, offset in characters from 0. */
export interface FilePosition {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/** A configuration file that cannot be used. Names the file, the place and the remedy, and never shows what is in it: it may hold credentials. */
export class ConfigFileError extends ConfigurationError {
  override readonly code = 'config_file';
  readonly file: string;
  readonly reason: ConfigFileReason;
  /** Of a damaged file, where its text is at fault. */
  readonly position: FilePosition | undefined;

  constructor(
    file: string,
    reason: ConfigFileReason,
    message: string,
    options: ErrorOptions & { readonly position?: FilePosition | undefined } = {},
  ) {
    super(message, options);
    this.file = file;
    this.reason = reason;
    this.position = options.position;
  }
}

/** Somebody else stored a later version meanwhile. Read it, and decide again. */
export class ConfigConflictError extends TelemetryError {
  readonly code = 'config_conflict';
  /** 0: nothing was expected to be stored. */
  readonly expectedVersion: number;
  /** 0: nothing is stored. */
  readonly version: number;

  constructor(message: string, expectedVersion: number, version: number) {
    super(message);
    this.expectedVersion = expectedVersion;
    this.version = version;
  }
}
