/**
 * The configuration that is in force, for all tenants and for each.   Control path: code, environment, stored configuration -> [live
 * configuration] -> manager, router, destinations.
 *
 * The environment is the one of the start. What is stored may change while the manager runs; code and environment go before it.
 */
import { type Dict, OPTIONS, type OptionPath, TelemetryConfig } from './config.js';
import { configuredTarget } from './configured-target.js';
import { type Environment, namingVariables, withEnvironment } from './environment.js';
import { ConfigurationError } from './errors.js';

/** What holds for one tenant. One object for all tenants that have nothing of their own. */
export interface TenantConfiguration {
  readonly config: TelemetryConfig;
  /** Its spans are recorded. */
  readonly recording: boolean;
  /** Its endpoint is its own. */
  readonly ownEndpoint: boolean;
}

/** What came of a change of configuration. */
export interface Reconfiguration {
  /** Options that have another value now. */
  readonly changed: OptionPath[];
  /** Options whose new value holds when a manager starts next. */
  readonly needsRestart: OptionPath[];
}

/** What else is said of an endpoint belongs to that one, its credentials above all: none of it goes along to another. */
const OF_AN_ENDPOINT: readonly OptionPath[] = ['otlpUseTls', 'otlpProtocol', 'otlpHeaders'];
const DEFAULTS = new TelemetryConfig();

export interface Proposal extends Reconfiguration {
  readonly config: TelemetryConfig;
  readonly base: TelemetryConfig;
}

export class LiveConfiguration {
  readonly #environment: Environment;
  readonly #warn: (message: string) => void;
  /** Code, and what is stored. */
  #base: TelemetryConfig;
  #shared: TenantConfiguration;
  #overrides: ReadonlyMap<string, Dict> = new Map();
  /** Of tenants with something of their own, when it is first needed. */
  readonly #ofTenant = new Map<string, TenantConfiguration>();
  /** By tenant, what was warned about. */
  readonly #warned = new Map<string, string>();

  /** Errors: `ConfigurationError`. */
  constructor(base: TelemetryConfig, environment: Environment, warn: (message: string) => void) {
    // Of the environment only what is ever asked for: it is kept as long as the manager.
    this.#environment = Object.fromEntries(
      Object.entries(environment).filter(([name]) => /^(?:OTEL|TELEMETRY)_/.test(name)),
    );
    this.#warn = warn;
    this.#base = base;
    this.#shared = sharedBy(this.#compose(base));
  }

  get config(): TelemetryConfig {
    return this.#shared.config;
  }

  /** The value that an option would have after a restart. */
  wanted(path: OptionPath): unknown {
    return withEnvironment(this.#base, this.#environment).value(path);
  }

  get hasOverrides(): boolean {
    return this.#overrides.size > 0;
  }

  /** Spans of some tenant are recorded. */
  get recordsAnything(): boolean {
    if (this.#shared.recording) return true;
    for (const [tenantId, own] of this.#overrides) {
      if (('enabled' in own || 'level' in own) && this.of(tenantId).recording) return true;
    }
    return false;
  }

  /** Runs a check of the configuration; what variables have set is named by them in its error. */
  checking<T>(check: () => T): T {
    return namingVariables(this.#base, this.#environment, check);
  }

  #compose(base: TelemetryConfig): TelemetryConfig {
    const config = withEnvironment(base, this.#environment);
    namingVariables(base, this.#environment, () => config.validate());
    return config;
  }

  /** What would come of another configuration. Changes nothing. Errors: `ConfigurationError`. */
  propose(given: TelemetryConfig): Proposal {
    const base = this.#base.withStored(given);
    const wanted = this.#compose(base);
    const different = wanted.changedOptions(this.config);
    const needsRestart = different.filter((path) => OPTIONS.get(path)?.changesAtRunTime !== true);
    const config = needsRestart.length === 0 ? wanted : wanted.withOptionsOf(this.config, needsRestart);
    if (needsRestart.length > 0) config.validate();
    return { config, base, changed: different.filter((path) => !needsRestart.includes(path)), needsRestart };
  }

  accept({ config, base }: Proposal): void {
    this.#base = base;
    this.#shared = sharedBy(config);
    this.#ofTenant.clear();
  }

  /** What is stored for tenants alone, in the stored form. */
  setOverrides(overrides: ReadonlyMap<string, Dict>): void {
    this.#overrides = overrides;
    this.#ofTenant.clear();
    for (const tenantId of this.#warned.keys()) if (!overrides.has(tenantId)) this.#warned.delete(tenantId);
  }

  of(tenantId: string): TenantConfiguration {
    const own = this.#overrides.size === 0 ? undefined : this.#overrides.get(tenantId);
    if (own === undefined) return this.#shared;
    let found = this.#ofTenant.get(tenantId);
    if (found === undefined) {
      found = this.#overridden(tenantId, own);
      this.#ofTenant.set(tenantId, found);
    }
    return found;
  }

  /** Never throws: what is stored for one tenant and cannot be used is as if it was not stored, and named. */
  #overridden(tenantId: string, own: Dict): TenantConfiguration {
    try {
      const stored = TelemetryConfig.fromDict(own);
      const given = [...OPTIONS.keys()].filter((path) => stored.levelOf(path) === 'stored');
      const [taken, left] = [[] as OptionPath[], [] as OptionPath[]];
      for (const path of given) (OPTIONS.get(path)?.perTenant === true ? taken : left).push(path);
      const differing = stored.changedOptions(this.config);
      const ignored = left.filter((path) => differing.includes(path));
      if (ignored.length > 0) {
        this.#warnOnce(
          tenantId,
          own,
          `For tenant "${tenantId}" alone these options cannot be set, and what is stored has no effect here: ${ignored.join(', ')}.`,
        );
      }
      // Per option the level decides: what code or environment set stays.
      const isBelow = (path: OptionPath) => ['stored', 'default'].includes(this.config.levelOf(path));
      const ownEndpoint = taken.includes('otlpEndpoint') && isBelow('otlpEndpoint');
      const inForce = taken.filter((path) => isBelow(path) || (path === 'otlpHeaders' && ownEndpoint));
      const others = ownEndpoint ? this.config.withOptionsOf(DEFAULTS, OF_AN_ENDPOINT) : this.config;
      const config = others.withOptionsOf(stored, inForce);
      config.validate();
      if (ownEndpoint || inForce.includes('otlpHeaders')) configuredTarget(config, undefined);
      return { config, recording: isRecording(config), ownEndpoint };
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      this.#warnOnce(
        tenantId,
        own,
        `What is stored for tenant "${tenantId}" has no effect: ${error.message} What holds for all tenants holds for it.`,
      );
      return this.#shared;
    }
  }

  #warnOnce(tenantId: string, own: Dict, message: string): void {
    const text = JSON.stringify(own);
    if (this.#warned.get(tenantId) === text) return;
    this.#warned.set(tenantId, text);
    this.#warn(message);
  }
}

function sharedBy(config: TelemetryConfig): TenantConfiguration {
  return { config, recording: isRecording(config), ownEndpoint: false };
}

function isRecording(config: TelemetryConfig): boolean {
  return config.enabled && config.level !== 'disabled' && config.otlpEnabled;
}
