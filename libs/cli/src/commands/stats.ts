/** `cogniverse stats`: counts, error rate and latency of each project.   Read path. */
import { Command } from 'commander';
import { jsonLine } from '../format/json.js';
import { table } from '../format/table.js';
import type { Terminal } from '../format/terminal.js';
import { optionalDuration, percent, safe } from '../format/text.js';
import {
  type AccessOptions,
  addAccessOptions,
  addExamples,
  addJsonOption,
  addScopeOptions,
  parseSince,
  type ScopeOptions,
} from '../options.js';
import { findProjects, withStore } from '../store-access.js';

interface StatsOptions extends AccessOptions, ScopeOptions {
  readonly since?: Date;
  readonly json?: boolean;
}

export function statsCommand(terminal: Terminal): Command {
  const command = new Command('stats').description(
    'Show spans, traces, error rate and latency percentiles of each project.',
  );
  addScopeOptions(command);
  command.option('--since <age>', 'only spans that began since then: 90s, 15m, 1h, 7d, or an ISO time', (text) =>
    parseSince(text),
  );
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(command, 'cogniverse stats --since 24h', 'cogniverse stats --tenant acme --json');
  return command.action((options: StatsOptions) =>
    withStore(options, async (store) => {
      await findProjects(store, options);
      const statistics = (await store.getStatistics({ tenantId: options.tenant, startTime: options.since })).filter(
        (entry) => options.project === undefined || entry.project.name === options.project,
      );
      if (options.json) {
        for (const { project, ...figures } of statistics)
          terminal.line(jsonLine({ tenantId: project.tenantId, project: project.name, ...figures }));
        return;
      }
      if (statistics.length === 0) {
        terminal.note('Nothing is stored in that time.');
        return;
      }
      const right = 'right' as const;
      const columns = [
        { title: 'TENANT' },
        { title: 'PROJECT' },
        { title: 'SPANS', align: right },
        { title: 'TRACES', align: right },
        { title: 'ERRORS', align: right },
        { title: 'P50', align: right },
        { title: 'P95', align: right },
        { title: 'P99', align: right },
        { title: 'MEAN', align: right },
      ];
      const rows = statistics.map((entry) => [
        safe(entry.project.tenantId ?? '-'),
        safe(entry.project.name),
        entry.spanCount.toLocaleString('en-US'),
        entry.traceCount.toLocaleString('en-US'),
        entry.errorRate > 0 ? terminal.colors.red(percent(entry.errorRate)) : percent(0),
        optionalDuration(entry.latencyP50Millis),
        optionalDuration(entry.latencyP95Millis),
        optionalDuration(entry.latencyP99Millis),
        optionalDuration(entry.latencyMeanMillis),
      ]);
      terminal.line(table(terminal, columns, rows));
    }),
  );
}
