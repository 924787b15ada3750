/** `@cogniverse/foundation/telemetry/arrow`: records as Apache Arrow tables. Needs the package `apache-arrow`, an optional peer. */
export type { TableRecord, TableRecordKind } from './record-columns.js';
export { ArrowNotInstalledError, type ToTableOptions, toTable } from './to-table.js';
