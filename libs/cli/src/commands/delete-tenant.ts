/** `cogniverse delete-tenant`: all of a tenant goes, once and for all.   Control path. */
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { CliError, UsageError } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count, safe } from '../format/text.js';
import { type AccessOptions, addAccessOptions, addExamples, addJsonOption } from '../options.js';
import { withStore } from '../store-access.js';

interface DeleteTenantOptions extends AccessOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Errors: `UsageError` where nobody can be asked, `CliError` for another answer than the tenant's id. */
async function askForTenant(tenantId: string, spans: number): Promise<void> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new UsageError(
      'Nobody can be asked here whether that is meant. Give --yes to delete the tenant without a question.',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(
      `This deletes ${count(spans, 'span')} of tenant "${safe(tenantId)}", with annotations, data sets and experiments. It cannot be undone. Type the tenant's id to go on: `,
    );
    if (answer.trim() !== tenantId) throw new CliError('That is another id. Nothing was deleted.');
  } finally {
    terminal.close();
  }
}

export function deleteTenantCommand(terminal: Terminal): Command {
  const command = new Command('delete-tenant')
    .description(
      'Delete all of a tenant: spans, annotations, data sets, experiments, and its name. Asks first. Afterwards nothing of it is in the data directory; back-ups are not touched.',
    )
    .argument('<id>', 'the tenant')
    .option('--yes', 'do not ask');
  addAccessOptions(command, { fallback: false });
  addJsonOption(command);
  addExamples(command, 'cogniverse delete-tenant acme', 'cogniverse delete-tenant acme --yes --json');
  return command.action((tenantId: string, options: DeleteTenantOptions) =>
    withStore(
      options,
      async (store, place) => {
        if (options.yes !== true) {
          const held = (await store.listTenants({})).find((tenant) => tenant.tenantId === tenantId);
          await askForTenant(tenantId, held?.spanCount ?? 0);
        }
        // A server does this itself; in a directory that none serves the keys are as much the tenant's as its spans.
        if (place.kind === 'directory') {
          const { AccessKeys, accessKeyFile } = await import('@cogniverse/server/options');
          await new AccessKeys({ file: accessKeyFile(place.name) }).forgetTenant(tenantId);
        }
        const record = await store.deleteTenant({ tenantId });
        if (options.json) {
          terminal.line(jsonLine({ tenantId, ...record }));
          return;
        }
        const rows = Object.entries(record.deleted).filter(([, rows]) => rows > 0);
        terminal.line(
          rows.length === 0
            ? `Nothing of tenant "${safe(tenantId)}" was stored.`
            : `Deleted of tenant "${safe(tenantId)}": ${rows.map(([table, number]) => `${number.toLocaleString('en-US')} ${table.replaceAll('_', ' ')}`).join(', ')}.`,
        );
        if (record.damagedFiles > 0)
          terminal.line(`Removed ${count(record.damagedFiles, 'file')} set aside as damaged.`);
        terminal.line(record.note);
      },
      { fallback: false },
    ),
  );
}
