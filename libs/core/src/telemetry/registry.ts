/** `telemetry.registry`: which providers there are. */
export {
  ProviderLoadError,
  ProviderNotFoundError,
  ProviderRegistry,
  registry,
} from '@cogniverse/foundation/telemetry';
