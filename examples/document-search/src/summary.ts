/** What a run comes to: for people, for programs, and whether it is as it should be.   Read path: report -> [summary] -> `npm start`, `cogniverse demo`. */
import type { ApplicationResult } from './application-result.js';
import type { Report } from './report.js';

/** Why the run is not what it should be; empty when it is. */
export function findFaults(report: Report): string[] {
  const faults = report.strays.slice(0, 10);
  if (report.audit !== null) faults.push(`the account of spans does not add up: ${report.audit}`);
  for (const [tenant, counts] of Object.entries(report.tenants)) {
    const { ended, exported, stored } = counts;
    if (ended !== exported || exported !== stored)
      faults.push(`${tenant}: ${ended} spans ended, ${exported} exported, ${stored} stored`);
    if (counts.annotations === 0) faults.push(`${tenant}: no annotation was stored`);
    if (counts.joinedRequests === 0) faults.push(`${tenant}: no inbound HTTP span is part of its client's trace`);
    if (counts.experimentRuns === 0) faults.push(`${tenant}: no experiment run was stored`);
  }
  return faults;
}

export interface TenantSummary {
  readonly ended: number;
  readonly exported: number;
  /** Null where nothing could be read back. */
  readonly stored: number | null;
  readonly errorRate: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
}

/** The object of `--json`. Without a report, which only a server with a read API allows, what the application itself counted. */
export function summaryOf(
  result: ApplicationResult,
  report: Report | undefined,
): { tenants: Record<string, TenantSummary>; audit: string | null } {
  const tenants: Record<string, TenantSummary> = {};
  for (const [tenant, { ended, exported }] of Object.entries(result.tenants)) {
    const { stored = null, errorRate = null, p50 = null, p95 = null } = report?.tenants[tenant] ?? {};
    tenants[tenant] = { ended, exported, stored, errorRate, p50, p95 };
  }
  return { tenants, audit: result.audit };
}

interface Column {
  readonly title: string;
  readonly align?: 'right';
}

/** How the command line writes. */
export interface SummaryFormat<Colors extends { red(text: string): string }> {
  table(terminal: { readonly colors: Colors }, columns: readonly Column[], rows: readonly string[][]): string;
  readonly colors: Colors;
}

/** The summary for people. */
export function formatSummary<Colors extends { red(text: string): string }>(
  result: ApplicationResult,
  report: Report | undefined,
  { table, colors }: SummaryFormat<Colors>,
): string {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const millis = (value: number | null) => (value === null ? '-' : `${value.toFixed(1)} ms`);
  const titles = 'QUESTIONS,REFUSED,SPANS ENDED,EXPORTED,STORED,ERROR RATE,P50,P95,RELEVANCE'.split(',');
  const columns: Column[] = [{ title: 'TENANT' }, ...titles.map((title) => ({ title, align: 'right' as const }))];
  const { tenants, audit } = summaryOf(result, report);
  const rows = Object.entries(tenants).map(([tenant, counts]) => {
    const { asked, failed, relevance } = result.tenants[tenant]!;
    const { stored, errorRate } = counts;
    return [
      tenant,
      String(asked),
      String(failed),
      String(counts.ended),
      String(counts.exported),
      stored === null ? '-' : String(stored),
      errorRate === null ? '-' : errorRate > 0 ? colors.red(percent(errorRate)) : percent(0),
      millis(counts.p50),
      millis(counts.p95),
      relevance.toFixed(3),
    ];
  });
  const lines = [table({ colors }, columns, rows)];
  const compared = Object.entries(result.tenants).filter(([, { experiments }]) => experiments.length > 0);
  if (compared.length > 0) {
    const widest = Math.max(...compared.map(([tenant]) => tenant.length));
    lines.push('', 'Experiment: mean NDCG@10 of two ranking strategies on the same questions');
    for (const [tenant, { experiments }] of compared) {
      const scores = experiments.map(
        ({ strategy, meanScore, runs }) => `${strategy} ${meanScore.toFixed(3)} (${runs} runs)`,
      );
      lines.push(`  ${tenant.padEnd(widest)}  ${scores.join('   ')}`);
    }
  }
  lines.push('');
  lines.push(audit === null ? 'Every span that ended has exactly one recorded fate.' : `Audit: ${audit}`);
  if (report !== undefined) {
    lines.push(
      report.strays.length === 0
        ? "No tenant's project holds a span of another."
        : `${report.strays.length} spans are in the wrong project.`,
    );
  }
  return lines.join('\n');
}
