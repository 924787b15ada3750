/** The one manager of a process, shared by all copies of this package in it.   Control path: [singleton] -> manager. */
import { createDefaultConfigManager } from '../config/config-manager.js';
import type { TelemetryConfig, TelemetryConfigOptions } from './config.js';
import type { TelemetryConfigSource } from './config-source.js';
import { withEnvironment } from './environment.js';
import { ConfigurationError } from './errors.js';
import { consoleLogger, FencedLogger } from './export/pipeline-logger.js';
import { asConfig, Telemetry, type TelemetryManagerOptions } from './manager.js';
import { VERSION } from './version.js';

const SINGLETON = Symbol.for('cogniverse.telemetry');

interface Singleton {
  readonly version: string;
  /** `TelemetryManager` has no members of its own. */
  readonly manager: TelemetryManager;
  /** A test's, which will give its place back. */
  readonly isStandIn?: boolean;
}
const globals = globalThis as { [SINGLETON]?: Singleton | undefined };

/** The process's manager. */
export class TelemetryManager extends Telemetry {
  /**
   * The first call makes the process's manager, a later one gives the same object. A later, different configuration is ignored, and one
   * log line names the fields that differ.
   *
   * Errors: `ConfigurationError` without configuration on the first call, for values that cannot be used, and beside another major
   * version of this package.
   */
  // biome-ignore lint/correctness/noUnreachableSuper: a singleton by `new`, as in the reference
  constructor(config?: TelemetryConfig | TelemetryConfigOptions, options: TelemetryManagerOptions = {}) {
    const existing = existingManager();
    if (existing !== undefined) {
      const fields = config === undefined ? [] : ignoredFields(existing, asConfig(config), options);
      if (fields.length > 0) {
        new FencedLogger(options.logger ?? consoleLogger).warn(
          `The telemetry manager exists already; ignored from the second configuration: ${fields.join(', ')}.`,
        );
      }
      // biome-ignore lint/correctness/noConstructorReturn: see above
      return existing;
    }
    if (config === undefined) {
      throw new ConfigurationError(
        'The first TelemetryManager needs a configuration: new TelemetryManager({ ... }), or getTelemetryManager().',
      );
    }
    super(config, options);
    globals[SINGLETON] = { version: VERSION, manager: this };
  }

  /** For tests: shuts the process's manager down and forgets it. */
  static async reset(): Promise<void> {
    const manager = globals[SINGLETON]?.manager;
    globals[SINGLETON] = undefined;
    await manager?.shutdown();
  }
}

/**
 * The process's manager. The first call makes it, with the configuration that is stored for `tenantId` (default: for all tenants).
 *
 * `configManager`: default `createDefaultConfigManager()`, which reads the configuration file, now; that there is none is fine.
 *
 * Errors, of the first call: `ConfigurationError`, for a configuration file that is damaged or cannot be read `ConfigFileError`. An
 * application that is to start all the same catches it, and makes a `new TelemetryManager(...)`.
 */
export function getTelemetryManager(
  options: TelemetryManagerOptions & {
    readonly configManager?: TelemetryConfigSource | undefined;
    readonly tenantId?: string | undefined;
  } = {},
): TelemetryManager {
  const existing = existingManager();
  if (existing !== undefined) return existing;
  const { configManager = createDefaultConfigManager(), tenantId, ...managerOptions } = options;
  const manager = new TelemetryManager(configManager.getTelemetryConfig(tenantId), managerOptions);
  try {
    manager.followConfiguration(configManager, tenantId);
  } catch (error) {
    globals[SINGLETON] = undefined; // as if it had not been made: the next call tries again
    void manager.shutdown(0);
    throw error;
  }
  return manager;
}

/**
 * For tests: `manager` is the process's manager until the function that this gives is called; then it is what it was before.
 *
 * Errors: `ConfigurationError` while another stands in already.
 */
export function standInAsProcessManager(manager: Telemetry): () => void {
  const before = globals[SINGLETON];
  if (before?.isStandIn === true) {
    throw new ConfigurationError(
      'Another createTestTelemetry({ asProcessManager: true }) is the manager of this process already: await its shutdown() first, for example in afterEach().',
    );
  }
  const standIn: Singleton = { version: VERSION, manager, isStandIn: true };
  globals[SINGLETON] = standIn;
  return () => {
    // Code under test may have called `TelemetryManager.reset()`, and more.
    if (globals[SINGLETON] === standIn) globals[SINGLETON] = before;
  };
}

/** Stands in while the process's manager cannot be made: runs what it is given, and records nothing. */
let standIn: Telemetry | undefined;

/**
 * The process's manager, for a recording call that was given none. Never throws: a configuration that cannot be used is said in one log
 * line, and nothing is recorded until the application has made a manager.
 */
export function managerForRecording(): Telemetry {
  if (standIn !== undefined && globals[SINGLETON] === undefined) return standIn;
  try {
    return getTelemetryManager();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    if (standIn === undefined) {
      new FencedLogger(consoleLogger).warn(
        `Nothing is recorded until the application makes a manager: ${error.message}`,
      );
      standIn = new Telemetry({ enabled: false, flushOnExit: false }, { environment: {} });
    }
    return standIn;
  }
}

function existingManager(): TelemetryManager | undefined {
  const singleton = globals[SINGLETON];
  if (singleton === undefined) return undefined;
  const major = (version: string): string => version.split('.')[0]!;
  if (major(singleton.version) !== major(VERSION)) {
    throw new ConfigurationError(
      `This process has a telemetry manager of @cogniverse/foundation ${singleton.version} already, which does not fit ${VERSION}. ` +
        'Install one version only.',
    );
  }
  return singleton.manager;
}

function ignoredFields(
  existing: TelemetryManager,
  config: TelemetryConfig,
  options: TelemetryManagerOptions,
): string[] {
  return withEnvironment(config, options.environment ?? process.env).changedOptions(existing.config);
}
