/**
 * Lets spans go when they are old: after `retentionDays`, or what a project has in the place of it.   Control path: worker -> [retention] -> eraser.
 *
 * Counted in whole UTC days of the start of a span, so that a day file is unlinked as a whole, or written anew once when only some of its projects keep
 * less. Swept at start and every `retentionSweepMillis`. A span that is older when it comes is taken like any other, and goes with the next sweep.
 */
import type { ProjectRef, RetentionRecord } from '@cogniverse/foundation/telemetry';
import { NANOS_PER_DAY } from '../day-files.js';
import type { StoreEngine } from '../engine.js';
import type { MetaDatabase, MetaSchema } from '../meta/meta-database.js';
import { SqlBuilder } from '../query/sql-builder.js';
import { conditionOf } from './span-condition.js';

export const RETENTION_SCHEMA: MetaSchema = {
  sql: 'CREATE TABLE IF NOT EXISTS meta.retention (tenant_id VARCHAR, project VARCHAR NOT NULL, days INTEGER NOT NULL)',
  positioned: [],
};

export interface RetentionOptions {
  /** 0: for ever. */
  readonly retentionDays: number;
  readonly retentionSweepMillis: number;
}

export class Retention {
  readonly #engine: StoreEngine;
  readonly #meta: MetaDatabase;
  readonly #options: RetentionOptions;
  readonly #report: (line: string) => void;
  #sweepAt = 0;
  /** Whether a project may have a retention of its own: without any, and without a default, there is nothing to look for. */
  #hasOwn = false;
  #sweeping: Promise<void> | undefined;
  readonly #counts = { retention_sweeps_total: 0, retention_spans_removed_total: 0, retention_failures_total: 0 };

  constructor(engine: StoreEngine, meta: MetaDatabase, options: RetentionOptions, report: (line: string) => void) {
    this.#engine = engine;
    this.#meta = meta;
    this.#options = options;
    this.#report = report;
  }

  /** Called once, before the first `tick`. */
  async load(): Promise<void> {
    this.#hasOwn = (await this.list()).length > 0;
  }

  figures(): Record<string, number> {
    return { ...this.#counts, retention_days: this.#options.retentionDays };
  }

  async set(project: ProjectRef, days: number | null): Promise<void> {
    await this.#meta.commit(async (connection) => {
      const key = { tenant: project.tenantId, project: project.name };
      await connection.run(
        'DELETE FROM meta.retention WHERE tenant_id IS NOT DISTINCT FROM $tenant::VARCHAR AND project = $project',
        key,
      );
      if (days === null) return;
      await connection.run('INSERT INTO meta.retention VALUES ($tenant, $project, $days::INTEGER)', { ...key, days });
    });
    this.#hasOwn ||= days !== null;
    this.#sweepAt = 0;
  }

  async list(tenantId?: string | null): Promise<RetentionRecord[]> {
    const sql = new SqlBuilder();
    const where = tenantId === undefined ? 'true' : `tenant_id IS NOT DISTINCT FROM ${sql.bind(tenantId)}::VARCHAR`;
    const rows = await this.#engine.query(
      `SELECT tenant_id, project, days FROM meta.retention WHERE ${where} ORDER BY tenant_id NULLS FIRST, project`,
      sql.parameters,
    );
    return (rows as [string | null, string, number][]).map(([tenant, name, days]) => ({
      project: { tenantId: tenant, name },
      days,
    }));
  }

  /** Begins a sweep when one is due; called from time to time. `now` in milliseconds since 1970. */
  tick(now: number): void {
    if (
      this.#sweeping !== undefined ||
      (now < this.#sweepAt && now > this.#sweepAt - this.#options.retentionSweepMillis)
    )
      return;
    this.#sweepAt = now + this.#options.retentionSweepMillis;
    this.#sweeping = this.sweep(now)
      .catch((error: Error) => {
        this.#counts.retention_failures_total += 1;
        this.#report(
          `spans past their retention could not be removed, and will be with the next sweep: ${error.message}`,
        );
      })
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  /** Resolves when no sweep runs. */
  async drained(): Promise<void> {
    await this.#sweeping;
  }

  /** Removes what is past its retention at `now`. */
  async sweep(now: number): Promise<void> {
    this.#counts.retention_sweeps_total += 1;
    if (!this.#hasOwn && this.#options.retentionDays === 0) return;
    const today = BigInt(Math.floor(now / 86_400_000));
    const endOf = (days: number) => (days === 0 ? undefined : (today - BigInt(days)) * NANOS_PER_DAY);
    const own = await this.list();
    const { retentionDays } = this.#options;
    let latest: bigint | undefined;
    for (const days of [retentionDays, ...own.map((record) => record.days)]) {
      const end = endOf(days);
      if (end !== undefined && (latest === undefined || end > latest)) latest = end;
    }
    if (latest === undefined) return;
    const sql = new SqlBuilder();
    const before = (days: number) => (days === 0 ? 'false' : `start_ns < ${endOf(days)}`);
    const cases = own.map(({ project, days }) => `WHEN ${conditionOf(project, {}, sql)} THEN ${before(days)}`);
    const rest = before(retentionDays);
    const gone = {
      sql: cases.length === 0 ? rest : `CASE ${cases.join(' ')} ELSE ${rest} END`,
      parameters: sql.parameters,
    };
    this.#counts.retention_spans_removed_total += await this.#engine.eraser.expire(gone, latest, this.#meta);
  }
}
