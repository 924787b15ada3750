/** `cogniverse backup`: a consistent copy of the whole store, while it runs.   Control path. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count } from '../format/text.js';
import { type AccessOptions, addAccessOptions, addExamples, addJsonOption } from '../options.js';
import { withStore } from '../store-access.js';

export function backupCommand(terminal: Terminal): Command {
  const command = new Command('backup')
    .description(
      'Write a consistent, verified copy of the whole store, while it goes on. A server writes it on its own machine; "cogniverse restore" makes a data directory of it.',
    )
    .argument('<dir>', 'a directory that is empty or does not exist');
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(command, 'cogniverse backup /backup/2026-01-31');
  return command.action((directory: string, options: AccessOptions & { json?: boolean }) =>
    withStore(options, async (store) => {
      terminal.status('copying ...');
      // A server has another working directory.
      const record = await store.backup({ directory: resolve(directory) });
      terminal.status('');
      if (options.json) terminal.line(jsonLine(record));
      else
        terminal.line(
          `${count(record.files, 'file')} with ${record.bytes.toLocaleString('en-US')} bytes in ${record.directory}`,
        );
    }),
  );
}
