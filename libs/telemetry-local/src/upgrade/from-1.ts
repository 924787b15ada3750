/**
 * From format 1 to 2: annotations have targets of several kinds, and every table of `meta.duckdb` names its tenant.   Control path: [from-1].
 *
 * Tables that are new in format 2 need nothing here: whoever owns them makes them when they are missing.
 */
import type { UpgradeStep } from './upgrade.js';

/** As format 1 made them: a start that was cut short may have left some out. */
const TABLES_OF_FORMAT_1 = [
  `CREATE TABLE IF NOT EXISTS annotations (
     id VARCHAR PRIMARY KEY, tenant_id VARCHAR, project VARCHAR NOT NULL, span_id VARCHAR NOT NULL, name VARCHAR NOT NULL,
     identifier VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE, explanation VARCHAR,
     metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, updated_at VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS datasets (
     id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, description VARCHAR NOT NULL, metadata VARCHAR NOT NULL,
     created_at VARCHAR NOT NULL, position BIGINT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS dataset_versions (
     id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, number INTEGER NOT NULL, created_at VARCHAR NOT NULL, row_count BIGINT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS dataset_rows (
     id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, version INTEGER NOT NULL, position BIGINT NOT NULL,
     input VARCHAR NOT NULL, output VARCHAR NOT NULL, metadata VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS experiments (
     id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, dataset_id VARCHAR, dataset_version_id VARCHAR,
     metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, position BIGINT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS runs (
     id VARCHAR NOT NULL, tenant_id VARCHAR, experiment_id VARCHAR NOT NULL, position BIGINT NOT NULL, dataset_example_id VARCHAR,
     inputs VARCHAR NOT NULL, outputs VARCHAR NOT NULL, metadata VARCHAR NOT NULL, repetition_number INTEGER NOT NULL,
     trace_id VARCHAR, error VARCHAR, start_time VARCHAR NOT NULL, end_time VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS run_evaluations (
     run_id VARCHAR NOT NULL, name VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE,
     explanation VARCHAR, error VARCHAR, position BIGINT NOT NULL)`,
];

export const FROM_1: UpgradeStep = {
  from: 1,
  meta: [
    ...TABLES_OF_FORMAT_1,
    // Annotations have a table of a new name: what is repeated finds the old one empty, and changes nothing.
    `CREATE TABLE IF NOT EXISTS target_annotations (
       id VARCHAR PRIMARY KEY, tenant_id VARCHAR, project VARCHAR NOT NULL, target VARCHAR NOT NULL, target_id VARCHAR NOT NULL,
       document_position INTEGER, name VARCHAR NOT NULL, identifier VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR,
       score DOUBLE, explanation VARCHAR, metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, updated_at VARCHAR NOT NULL,
       position BIGINT NOT NULL)`,
    `INSERT INTO target_annotations
       SELECT id, tenant_id, project, 'span', span_id, NULL, name, identifier, annotator_kind, label, score, explanation, metadata,
         created_at, updated_at, row_number() OVER (ORDER BY created_at, span_id, name, identifier)
       FROM annotations ON CONFLICT (id) DO NOTHING`,
    'DROP TABLE annotations',
    // Every table names its tenant, so that deletion and export need to know nothing of what the tables mean.
    'ALTER TABLE dataset_versions ADD COLUMN IF NOT EXISTS tenant_id VARCHAR',
    'UPDATE dataset_versions SET tenant_id = (SELECT d.tenant_id FROM datasets d WHERE d.id = dataset_id)',
    'ALTER TABLE dataset_rows ADD COLUMN IF NOT EXISTS tenant_id VARCHAR',
    'UPDATE dataset_rows SET tenant_id = (SELECT d.tenant_id FROM datasets d WHERE d.id = dataset_id)',
    'ALTER TABLE run_evaluations ADD COLUMN IF NOT EXISTS tenant_id VARCHAR',
    'UPDATE run_evaluations SET tenant_id = (SELECT r.tenant_id FROM runs r WHERE r.id = run_id)',
    ...columns('datasets', ['updated_at VARCHAR']),
    ...columns('dataset_rows', [
      'external_id VARCHAR',
      'span_id VARCHAR',
      'content_hash VARCHAR',
      'is_deleted BOOLEAN',
    ]),
    ...columns('experiments', [
      'description VARCHAR',
      'repetitions INTEGER',
      'project_name VARCHAR',
      'updated_at VARCHAR',
    ]),
    ...columns('run_evaluations', [
      'id VARCHAR',
      'metadata VARCHAR',
      'trace_id VARCHAR',
      'start_time VARCHAR',
      'end_time VARCHAR',
    ]),
    'UPDATE run_evaluations SET id = uuid()::VARCHAR WHERE id IS NULL',
    // An experiment of format 1 was over all examples of its version, and none was ever deleted.
    `CREATE TABLE IF NOT EXISTS experiment_examples (
       tenant_id VARCHAR, experiment_id VARCHAR NOT NULL, example_id VARCHAR NOT NULL, position BIGINT NOT NULL)`,
    `INSERT INTO experiment_examples SELECT e.tenant_id, e.id, r.id, r.position
     FROM experiments e JOIN dataset_versions v ON v.id = e.dataset_version_id
     JOIN dataset_rows r ON r.dataset_id = e.dataset_id AND r.version <= v.number
     WHERE NOT EXISTS (SELECT 1 FROM experiment_examples x WHERE x.experiment_id = e.id)`,
  ],
  day: [],
};

function columns(table: string, added: readonly string[]): string[] {
  return added.map((column) => `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${column}`);
}
