/** `cogniverse export`: what is stored, as files that any program reads and `cogniverse import` takes.   Read path. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count } from '../format/text.js';
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
import { describeFiles, exportStore, tenantsWithRecords } from '../transfer/export-store.js';

interface ExportOptions extends AccessOptions, ScopeOptions {
  readonly since?: Date;
  readonly json?: boolean;
}

export function exportCommand(terminal: Terminal): Command {
  const command = new Command('export')
    .description(
      'Write spans as OTLP JSON lines, and annotations, data sets and experiments as JSON lines, into a directory. An interrupted export goes on when it is run again.',
    )
    .argument('<dir>', 'a directory that is empty or does not exist');
  addScopeOptions(command);
  command.option(
    '--since <age>',
    'only spans that began, and annotations that were written, since then: 1h, 7d, or an ISO time; data sets and experiments come whole',
    (text) => parseSince(text),
  );
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(command, 'cogniverse export ./acme --tenant acme', 'cogniverse export ./all --data ./.cogniverse/data');
  return command.action((directory: string, options: ExportOptions) =>
    withStore(options, async (store) => {
      const { tenant, project, since } = options;
      const withRecords = await tenantsWithRecords(store, tenant);
      // A tenant may have data sets and no project.
      const projects =
        project === undefined && withRecords.size > 0
          ? await store.listProjects({ tenantId: tenant })
          : await findProjects(store, options);
      const chosen = new Set(projects.map(({ tenantId }) => tenantId));
      const tenants = [...withRecords].filter((tenantId) => project === undefined || chosen.has(tenantId));
      const manifest = await exportStore(store, {
        directory,
        projects,
        tenants,
        selection: { tenant, project, since },
        terminal,
      });
      if (options.json) {
        terminal.line(jsonLine({ directory: resolve(directory), files: manifest.files }));
        return;
      }
      terminal.line(
        `${describeFiles(manifest.files)} in ${count(manifest.files.length, 'file')} of ${resolve(directory)}`,
      );
    }),
  );
}
