/** `cogniverse projects`: which tenants have which projects, and how much is in them.   Read path. */
import { Command } from 'commander';
import { jsonLine } from '../format/json.js';
import { table } from '../format/table.js';
import type { Terminal } from '../format/terminal.js';
import { safe, time } from '../format/text.js';
import { type AccessOptions, addAccessOptions, addExamples, addJsonOption } from '../options.js';
import { withStore } from '../store-access.js';

interface ProjectsOptions extends AccessOptions {
  readonly tenant?: string;
  readonly json?: boolean;
}

export function projectsCommand(terminal: Terminal): Command {
  const command = new Command('projects')
    .description('List projects with their spans and traces.')
    .option('--tenant <id>', 'only this tenant');
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(command, 'cogniverse projects', 'cogniverse projects --tenant acme --json');
  return command.action((options: ProjectsOptions) =>
    withStore(options, async (store) => {
      const projects = await store.listProjects({ tenantId: options.tenant });
      if (options.json) {
        for (const project of projects) terminal.line(jsonLine(project));
        return;
      }
      if (projects.length === 0) {
        terminal.note(
          options.tenant === undefined
            ? 'Nothing is stored yet.'
            : `Nothing is stored of tenant "${safe(options.tenant)}".`,
        );
        return;
      }
      const rows = projects.map((project) => [
        safe(project.tenantId ?? '-'),
        safe(project.name),
        project.spanCount.toLocaleString('en-US'),
        project.traceCount.toLocaleString('en-US'),
        project.firstSpanUnixNano === undefined ? '-' : time(project.firstSpanUnixNano),
        project.lastSpanUnixNano === undefined ? '-' : time(project.lastSpanUnixNano),
      ]);
      const columns = [
        { title: 'TENANT' },
        { title: 'PROJECT' },
        { title: 'SPANS', align: 'right' as const },
        { title: 'TRACES', align: 'right' as const },
        { title: 'FIRST (UTC)' },
        { title: 'LAST (UTC)' },
      ];
      terminal.line(table(terminal, columns, rows));
    }),
  );
}
