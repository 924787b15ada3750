/** Where the examples write to and read from: a `cogniverse serve`, on its usual ports unless the environment names others. */
export const backend = {
  /** Host and port for OTLP over gRPC. */
  otlpEndpoint: process.env['EXAMPLES_OTLP_ENDPOINT'] ?? 'localhost:4317',
  /** Base URL of the read API. */
  endpoint: process.env['EXAMPLES_ENDPOINT'] ?? 'http://localhost:6006',
  /** Whether both speak TLS. */
  usesTls: process.env['EXAMPLES_USE_TLS'] === 'true',
};
