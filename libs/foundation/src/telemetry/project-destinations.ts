/**
 * Where each project's spans go: opens and closes the ends of the write path.   Control path: manager, router -> [project-destinations] ->
 * pipeline.
 *
 * The first that holds: a target of the host's own, an endpoint registered for the project, one stored for the tenant, what the configured
 * provider gives, the configured endpoint.
 */
import {
  DEPLOYMENT_ENVIRONMENT_NAME,
  ENVIRONMENT,
  OPENINFERENCE_PROJECT_NAME,
  SERVICE_NAME,
  SERVICE_VERSION,
  TELEMETRY_SDK_LANGUAGE,
  TELEMETRY_SDK_NAME,
  TELEMETRY_SDK_VERSION,
  TENANT_ID,
} from './attributes.js';
import type { TelemetryConfig } from './config.js';
import { configuredTarget } from './configured-target.js';
import { ConfigurationError } from './errors.js';
import type { Clock } from './export/clock.js';
import type { ExportTarget } from './export/export-target.js';
import { otlpTarget } from './export/otlp-target.js';
import type { ExportPipeline } from './export/pipeline.js';
import type { FencedLogger } from './export/pipeline-logger.js';
import { ProjectTarget } from './export/project-target.js';
import type { TenantProject } from './export/tenant-project.js';
import type { TenantQueue } from './export/tenant-queue.js';
import type { LiveConfiguration, TenantConfiguration } from './live-configuration.js';
import type { ProviderInstances } from './provider-instances.js';
import type { ProviderConfig } from './providers/provider.js';
import { sentenceOf } from './registry.js';
import { VERSION } from './version.js';

export interface ProjectRegistration {
  readonly tenantId: string;
  /** Suffix or full name. */
  readonly projectName: string;
  /** Where this project's spans go. The configured headers are credentials of the configured endpoint: they do not go along. */
  readonly otlpEndpoint?: string | undefined;
  readonly otlpHeaders?: Readonly<Record<string, string>> | undefined;
  /** Where this project is read from. */
  readonly httpEndpoint?: string | undefined;
  readonly useSyncExport?: boolean | undefined;
}

/** A registration, and the target of its endpoint if it has one. */
interface Registered {
  readonly settings: ProjectRegistration;
  readonly target: ExportTarget | undefined;
}

/** A target of the host's own for every project: spans stay in memory, for tests, or go where no provider takes them. */
export type ExportTargetOfProject = (project: { tenantId: string; projectName: string }) => ExportTarget;

export interface ProjectDestinationsOptions {
  readonly configuration: LiveConfiguration;
  readonly pipeline: ExportPipeline;
  readonly providers: ProviderInstances;
  readonly logger: FencedLogger;
  readonly clock: Clock | undefined;
  readonly exportTarget: ExportTargetOfProject | undefined;
}

export class ProjectDestinations {
  readonly #options: ProjectDestinationsOptions;
  readonly #configuration: LiveConfiguration;
  readonly #pipeline: ExportPipeline;
  /** By full name. */
  readonly #registrations = new Map<string, Registered>();
  /** The endpoint's of a configuration, without a project's resource; made when it is first needed. */
  readonly #configuredTargets = new WeakMap<TenantConfiguration, ExportTarget>();
  /** For which endpoint a project was opened. */
  readonly #openedFor = new WeakMap<TenantProject, string>();
  /** Projects whose provider is still loading, by tenant; `undefined` is work of all tenants: the spool while it is opened. */
  readonly #opening = new Map<Promise<void>, string | undefined>();
  /** The latest opening of a project that is not done: an older one that ends after it has no say any more. */
  readonly #latest = new WeakMap<TenantProject, object>();
  failedInitializations = 0;

  constructor(options: ProjectDestinationsOptions) {
    this.#options = options;
    this.#configuration = options.configuration;
    this.#pipeline = options.pipeline;
  }

  // Settings.

  /**
   * Keeps a project's settings; those that it had are gone. Errors: `ConfigurationError` for an endpoint that cannot work, or one project
   * too many.
   */
  register(projectName: string, settings: ProjectRegistration): void {
    const { maxCachedTenants, maxProjectsPerTenant } = this.#configuration.config;
    const limit = maxCachedTenants * maxProjectsPerTenant;
    if (this.#registrations.size >= limit && !this.#registrations.has(projectName)) {
      throw new ConfigurationError(
        `${limit} projects are registered already. Raise maxCachedTenants (${maxCachedTenants}) or maxProjectsPerTenant.`,
      );
    }
    const target = settings.otlpEndpoint === undefined ? undefined : this.#targetAt(settings.otlpEndpoint, settings);
    this.#registrations.set(projectName, { settings: { ...settings }, target });
  }

  registeredTenantOf(projectName: string): string | undefined {
    return this.#registrations.get(projectName)?.settings.tenantId;
  }

  useSyncExport(tenantId: string, projectName: string): boolean {
    const { batchConfig } = this.#configuration.of(tenantId).config;
    return this.#registrations.get(projectName)?.settings.useSyncExport ?? batchConfig.useSyncExport;
  }

  /** What the provider of a project is initialized with. */
  providerConfig(tenantId: string, projectName: string): ProviderConfig {
    const settings = this.#registrations.get(projectName)?.settings;
    return {
      tenantId,
      projectName,
      otlpEndpoint: settings?.otlpEndpoint ?? this.#configuration.of(tenantId).config.otlpEndpoint,
      httpEndpoint: settings?.httpEndpoint,
      options: this.#configuration.config.providerConfig,
    };
  }

  // Opening and closing.

  /**
   * Finds a project's destination, at once or, where a provider has to be loaded first, later; also anew for one that has another. Never
   * throws: it runs inside of calls that record.
   */
  open(project: TenantProject): void {
    this.#latest.delete(project);
    this.#openedFor.set(project, this.#endpointKey(project));
    try {
      const target = this.#knownTarget(project);
      if (target === undefined) this.#openWithProvider(project);
      else this.#attach(project, target);
    } catch (error) {
      this.#cannotOpen(error); // a target of the host's own
    }
  }

  /** Spans wait in their project. */
  #cannotOpen(error: unknown): undefined {
    this.failedInitializations += 1;
    this.#options.logger.warnOnce('endpoint', `Spans cannot be exported: ${sentenceOf(error)}`);
  }

  /** A live project follows its configuration, where no registration says otherwise. */
  configurationChanged(project: TenantProject): void {
    const { tenantId, projectName, configuration } = project;
    project.useSyncExport = this.useSyncExport(tenantId, projectName);
    project.queue?.resize(configuration.config.batchConfig.maxQueueSize);
    if (this.#openedFor.get(project) === this.#endpointKey(project)) return;
    this.#options.providers.forget(tenantId, projectName);
    this.open(project);
  }

  /** Equal for equal destinations. Empty where the configuration has no say. */
  #endpointKey(project: TenantProject): string {
    if (this.#options.exportTarget !== undefined) return '';
    if (this.#registrations.get(project.projectName)?.target !== undefined) return '';
    return this.#targetKey(project);
  }

  #targetKey(project: TenantProject): string {
    try {
      return this.#configuredTarget(project.configuration).key;
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      return error.message; // with a provider the endpoint is first used, and its error first said, when spans go there
    }
  }

  /** The project's destination where no provider has a say. */
  #knownTarget(project: TenantProject): ExportTarget | undefined {
    const { exportTarget } = this.#options;
    if (exportTarget !== undefined) return exportTarget(project);
    // An endpoint of the project's or the tenant's own says where its spans go, whatever the provider would do with them.
    const registered = this.#registrations.get(project.projectName)?.target;
    if (registered !== undefined) return registered;
    if (project.configuration.ownEndpoint) return this.#configuredTarget(project.configuration);
    return this.#configuration.config.provider === null ? this.#configuredTarget(project.configuration) : undefined;
  }

  /** The provider may take the bytes itself; until it has said so, spans wait in the project, or go on to where they went. */
  #openWithProvider(project: TenantProject): void {
    const turn = {};
    this.#latest.set(project, turn);
    this.waitFor(
      this.#providerTarget(project)
        .then((target) => {
          if (this.#latest.get(project) !== turn) return;
          this.#latest.delete(project);
          if (target !== undefined) this.#attach(project, target);
        })
        .catch((error: unknown) => this.#cannotOpen(error)),
      project.tenantId,
    );
  }

  /** Never rejects: where the provider takes no spans they go to the configured endpoint. Undefined: that cannot be used either. */
  async #providerTarget(project: TenantProject): Promise<ExportTarget | undefined> {
    const { tenantId, projectName } = project;
    const name = this.#configuration.config.provider!;
    try {
      const config = this.providerConfig(tenantId, projectName);
      const provider = await this.#options.providers.get(name, config, true);
      const target = provider.configureSpanExport({
        endpoint: config.otlpEndpoint,
        projectName,
        tenantId,
        useBatchExport: !project.useSyncExport,
      });
      if (target !== undefined) return checkedTarget(target);
    } catch (error) {
      this.failedInitializations += 1;
      this.#options.logger.warnOnce(
        `provider ${name}`,
        `Telemetry provider "${name}" takes no spans (${String(error)}); they go to ${project.configuration.config.otlpEndpoint} over OTLP.`,
      );
    }
    try {
      return this.#configuredTarget(project.configuration);
    } catch (error) {
      return this.#cannotOpen(error); // without a provider the endpoint is checked at start; with one it is first used here
    }
  }

  #attach(project: TenantProject, target: ExportTarget): void {
    const before = project.queue;
    const queue = this.#openQueue(project, this.#targetOf(project, target));
    project.open(queue);
    if (before !== undefined && before !== queue) this.#pipeline.closeProject(before);
    if (project.cachedTenant?.live === false) this.#pipeline.closeProject(queue);
  }

  /** The project is no longer live: what waits in its queue is still delivered. */
  close(project: TenantProject, queue: TenantQueue | undefined): void {
    if (queue !== undefined) this.#pipeline.closeProject(queue);
    this.#options.providers.release(project.tenantId, project.projectName);
  }

  /** Writes a span of a project that is no longer live, as its settings are now, through a queue that is open for it alone. */
  writeLate(
    project: TenantProject,
    write: (queue: TenantQueue) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    project.configuration = this.#configuration.of(project.tenantId);
    project.useSyncExport = this.useSyncExport(project.tenantId, project.projectName);
    const queue = this.#openQueue(project, this.#lateTarget(project));
    const written = write(queue);
    this.#pipeline.closeProject(queue);
    return written;
  }

  /** As known now, else where the project's spans went while it was live. */
  #lateTarget(project: TenantProject): ExportTarget {
    try {
      const known = this.#knownTarget(project);
      if (known !== undefined) return this.#targetOf(project, known);
    } catch (error) {
      this.#cannotOpen(error);
    }
    return project.target!;
  }

  #targetOf(project: TenantProject, destination: ExportTarget): ExportTarget {
    return new ProjectTarget(destination, () => this.#resourceAttributes(project));
  }

  #openQueue({ tenantId, projectName, configuration }: TenantProject, target: ExportTarget): TenantQueue {
    const { maxQueueSize } = configuration.config.batchConfig;
    return this.#pipeline.openProject({ tenantId, projectName, target, maxQueueSize });
  }

  // Targets without their project's resource.

  /** Checks the configured endpoint, where it has a say. Errors: `ConfigurationError` for one that cannot work. */
  checkEndpoint(config: TelemetryConfig): void {
    if (this.#options.exportTarget === undefined && config.provider === null) configuredTarget(config, undefined);
  }

  #configuredTarget(configuration: TenantConfiguration): ExportTarget {
    let target = this.#configuredTargets.get(configuration);
    if (target === undefined) {
      target = configuredTarget(configuration.config, this.#options.clock);
      this.#configuredTargets.set(configuration, target);
    }
    return target;
  }

  #targetAt(endpoint: string, { otlpHeaders }: ProjectRegistration): ExportTarget {
    const { config } = this.#configuration;
    const { otlpCompression, batchConfig } = config;
    // Plain HTTP for credentials is asked for once, for all endpoints; TLS is each endpoint's own.
    const asksForPlain = config.levelOf('otlpUseTls') !== 'default' && !config.otlpUseTls && !/^https:/i.test(endpoint);
    return otlpTarget({
      endpoint,
      ...(asksForPlain && { useTls: false }),
      headers: otlpHeaders,
      compression: otlpCompression,
      maxSpanBytes: batchConfig.maxSpanBytes,
      clock: this.#options.clock,
    });
  }

  #resourceAttributes(project: TenantProject): [string, string][] {
    const { config } = this.#configuration;
    return [
      ...Object.entries(config.extraResourceAttributes),
      [SERVICE_NAME, config.serviceName],
      [SERVICE_VERSION, config.serviceVersion],
      [ENVIRONMENT, config.environment],
      [DEPLOYMENT_ENVIRONMENT_NAME, config.environment],
      [TENANT_ID, project.tenantId],
      [OPENINFERENCE_PROJECT_NAME, project.projectName],
      [TELEMETRY_SDK_NAME, 'cogniverse'],
      [TELEMETRY_SDK_LANGUAGE, 'nodejs'],
      [TELEMETRY_SDK_VERSION, VERSION],
    ];
  }

  // Waiting.

  /** Has a flush wait for `work`, which never rejects: that of `tenantId`, or without one everybody's. */
  waitFor(work: Promise<void>, tenantId: string | undefined): void {
    const opening = work.finally(() => this.#opening.delete(opening));
    this.#opening.set(opening, tenantId);
  }

  /** What is being opened now, of one tenant or of all. */
  openingOf(tenantId?: string): Promise<void>[] {
    const found: Promise<void>[] = [];
    for (const [opening, of] of this.#opening) {
      if (tenantId === undefined || of === undefined || of === tenantId) found.push(opening);
    }
    return found;
  }
}

/** What a provider without types gives may be anything. Errors: `TypeError`. */
function checkedTarget(target: ExportTarget): ExportTarget {
  const { key, resourceAttributes, createSender } = target;
  if (typeof key === 'string' && resourceAttributes instanceof Map && typeof createSender === 'function') return target;
  throw new TypeError(
    'its configureSpanExport() gave no ExportTarget: a key, resourceAttributes (a Map), createSender().',
  );
}
