/** `cogniverse import`: what `cogniverse export` wrote, into a store.   Write path. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { BadNews, CliError } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { safe } from '../format/text.js';
import {
  type AccessOptions,
  addAccessOptions,
  addExamples,
  addJsonOption,
  addScopeOptions,
  type ScopeOptions,
} from '../options.js';
import { withStore } from '../store-access.js';
import { describeFiles } from '../transfer/export-store.js';
import { importStore } from '../transfer/import-store.js';
import { readManifest } from '../transfer/transfer-directory.js';

interface ImportOptions extends AccessOptions, ScopeOptions {
  readonly json?: boolean;
}

export function importCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description(
      'Read a directory that "cogniverse export" wrote. What is stored already stays as it is: importing twice changes nothing, and an interrupted import goes on.',
    )
    .argument('<dir>', 'a directory that "cogniverse export" wrote');
  addScopeOptions(command);
  addAccessOptions(command, { createsData: true });
  addJsonOption(command);
  addExamples(command, 'cogniverse import ./acme', 'cogniverse import ./all --data ./new-data');
  return command.action(async (directory: string, options: ImportOptions) => {
    const manifest = await readManifest(directory);
    const files = manifest.files.filter(
      (file) =>
        (options.tenant === undefined || file.tenant_id === options.tenant) &&
        (options.project === undefined || file.project === options.project || file.project === null),
    );
    if (files.length === 0 && manifest.files.length > 0) {
      throw new CliError(`Nothing in ${resolve(directory)} is of that tenant and project.`);
    }
    await withStore(
      options,
      async (store, place) => {
        const report = await importStore(store, {
          directory,
          manifest,
          files,
          target: place.name,
          isServer: place.kind === 'server',
          hasKey: options.apiKey !== undefined,
          terminal,
        });
        if (options.json) terminal.line(jsonLine({ directory: resolve(directory), target: place.name, ...report }));
        else terminal.line(`${describeFiles(files)} imported into ${place.name}`);
        for (const refusal of report.refusals) terminal.note(`Refused: ${safe(refusal)}`);
        for (const missing of report.missing) terminal.note(`Not all there: ${safe(missing)}`);
        if (report.missing.length > 0) {
          terminal.note(
            'Spans that name no tenant are imported with the key of their tenant, or into a directory with --data.',
          );
        }
        if (report.missing.length > 0 || report.spans.rejected > 0) throw new BadNews();
      },
      { createsData: true },
    );
  });
}
