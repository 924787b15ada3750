/** The surface: exactly the list of the reference's core package, in camelCase, and in each module the members that the reference shows. */
import { readFileSync } from 'node:fs';
import * as core from '@cogniverse/core/telemetry';
import * as foundation from '@cogniverse/foundation/telemetry';
import { describe, expect, expectTypeOf, it } from 'vitest';

it('shows these names and no others', () => {
  expect(Object.keys(core).sort()).toEqual([
    'TelemetryConfig',
    'TelemetryManager',
    'config',
    'context',
    'exporter',
    'getTelemetryManager',
    'manager',
    'providers',
    'registry',
  ]);
});

const modules = {
  config: [
    'BatchExportConfig',
    'ConfigurationError',
    'TelemetryConfig',
    'TelemetryLevel',
    'configurationTable',
    'withEnvironment',
  ],
  context: [
    'addEmbeddingDetailsToSpan',
    'addSearchResultsToSpan',
    'backendSearchSpan',
    'encodeSpan',
    'expressTelemetry',
    'fastifyTelemetry',
    'honoTelemetry',
    'searchSpan',
    'traced',
    'withTelemetry',
  ],
  exporter: [
    'ExportPipeline',
    'Ledger',
    'Spool',
    'TenantLedger',
    'TenantQueue',
    'otlpTarget',
    'prometheusText',
    'recordPipelineMetrics',
  ],
  manager: [
    'InvalidNameError',
    'MissingTenantError',
    'ProjectAmbiguousError',
    'ProjectCollisionError',
    'Telemetry',
    'TelemetryError',
    'TelemetryManager',
    'TenantMismatchError',
    'TenantRequiredError',
    'createTelemetry',
    'getTelemetryManager',
  ],
  providers: [
    'BackendUnavailableError',
    'DatasetExistsError',
    'DatasetNotFoundError',
    'ExperimentNotFoundError',
    'ExperimentRunExistsError',
    'InvalidQueryError',
    'METRIC_NAMES',
    'NotSupportedError',
    'PROVIDER_INPUTS',
    'ProjectExistsError',
    'ProjectNotFoundError',
    'STORE_ERROR_STATUSES',
    'STORE_OPERATIONS',
    'STORE_ROUTE_PREFIX',
    'SessionNotFoundError',
    'SpanNotFoundError',
    'StoreOpenError',
    'TenantDeletedError',
    'TraceNotFoundError',
    'attributePlaces',
    'checkInput',
    'checkTimeRange',
    'compareExperimentRuns',
    'conditionParts',
    'conditionRows',
    'decodeStoreRequest',
    'decodeStoreResult',
    'encodeStoreRequest',
    'encodeStoreResult',
    'errorOfCode',
    'httpStatusOfError',
    'isoTime',
    'itemsOfPages',
    'jsonObject',
    'matchesCondition',
    'parseCondition',
    'parseProjection',
    'parseTime',
    'sessionIdOf',
    'storeOver',
    'toSpanRecord',
    'withSession',
  ],
  registry: ['ProviderLoadError', 'ProviderNotFoundError', 'ProviderRegistry', 'registry'],
} as const;

const coreNames = new Map<string, object>(Object.entries(core));
const foundationNames = new Map<string, unknown>(Object.entries(foundation));

describe.each(Object.entries(modules))('%s', (module, names) => {
  const members = new Map(Object.entries(coreNames.get(module)!));

  it('shows these names and no others', () => {
    expect([...members.keys()].sort()).toEqual(names);
  });

  it('holds the objects of foundation, not others like them', () => {
    for (const name of names) expect(members.get(name), name).toBe(foundationNames.get(name));
  });
});

it('has every name of foundation in some module', () => {
  const held = new Set(Object.keys(modules).flatMap((module) => Object.keys(coreNames.get(module)!)));
  expect([...foundationNames.keys()].filter((name) => !held.has(name))).toEqual([]);
});

it('has every type of foundation in some module', () => {
  const namesIn = (file: URL) =>
    [...readFileSync(file, 'utf8').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) =>
      list!.split(',').map((name) => name.replace('type ', '').trim()),
    );
  const held = new Set(
    Object.keys(modules).flatMap((module) => namesIn(new URL(`../dist/telemetry/${module}.d.ts`, import.meta.url))),
  );
  const declared = namesIn(new URL('./index.d.ts', import.meta.resolve('@cogniverse/foundation/telemetry')));
  expect(declared).toContain('TelemetryProvider');
  expect(declared.filter((name) => !held.has(name))).toEqual([]);
});

it('has the reference’s types of each module', () => {
  expectTypeOf<core.manager.TenantTelemetry>().toEqualTypeOf<foundation.TenantTelemetry>();
  expectTypeOf<core.providers.TelemetryProvider>().toEqualTypeOf<foundation.TelemetryProvider>();
  expectTypeOf<core.providers.TraceStore>().toEqualTypeOf<foundation.TraceStore>();
  expectTypeOf<core.providers.AnnotationStore>().toEqualTypeOf<foundation.AnnotationStore>();
  expectTypeOf<core.providers.DatasetStore>().toEqualTypeOf<foundation.DatasetStore>();
  expectTypeOf<core.providers.ExperimentStore>().toEqualTypeOf<foundation.ExperimentStore>();
  expectTypeOf<core.providers.AnalyticsStore>().toEqualTypeOf<foundation.AnalyticsStore>();
  expectTypeOf<core.exporter.ExportTarget>().toEqualTypeOf<foundation.ExportTarget>();
});
