/** `cogniverse restore`: a new data directory of what `cogniverse backup` wrote.   Control path. */
import { resolve } from 'node:path';
import { restoreBackup } from '@cogniverse/telemetry-local/store';
import { Command } from 'commander';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count } from '../format/text.js';
import { addExamples, addJsonOption } from '../options.js';

export function restoreCommand(terminal: Terminal): Command {
  const command = new Command('restore')
    .description('Make a new data directory of a back-up, whose files are checked first. The back-up stays as it is.')
    .argument('<dir>', 'a directory that "cogniverse backup" wrote')
    .requiredOption('--data <dir>', 'the data directory to make: empty, or not there');
  addJsonOption(command);
  addExamples(command, 'cogniverse restore /backup/2026-01-31 --data /var/lib/cogniverse-restored');
  return command.action(async (directory: string, options: { data: string; json?: boolean }) => {
    terminal.status('checking and copying ...');
    const manifest = await restoreBackup({ from: directory, dataDir: options.data });
    terminal.status('');
    const data = resolve(options.data);
    if (options.json) terminal.line(jsonLine({ data, createdAt: manifest.createdAt, files: manifest.files.length }));
    else {
      terminal.line(
        `${count(manifest.files.length, 'file')} of the back-up of ${manifest.createdAt} restored into ${data}`,
      );
    }
  });
}
