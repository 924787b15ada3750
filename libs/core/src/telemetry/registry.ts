/** `telemetry.registry`: which providers there are. */
export {
  type ProviderKind,
  ProviderLoadError,
  ProviderNotFoundError,
  ProviderRegistry,
  type ProviderRegistryOptions,
  registry,
} from '@cogniverse/foundation/telemetry';
