/** `cogniverse import-phoenix`: moves a project of Phoenix here.   Write path: Phoenix's REST API -> store. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { BadNews } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count, safe } from '../format/text.js';
import { type AccessOptions, addAccessOptions, addExamples, addJsonOption, parseEndpoint } from '../options.js';
import { importDatasets } from '../phoenix/import-datasets.js';
import { importProject } from '../phoenix/import-project.js';
import { PhoenixSource } from '../phoenix/phoenix-source.js';
import { withStore } from '../store-access.js';

interface ImportPhoenixOptions extends AccessOptions {
  readonly from: string;
  readonly fromKey?: string;
  readonly project: string;
  readonly to?: string;
  readonly tenant?: string;
  readonly datasets: boolean;
  readonly state?: string;
  readonly json?: boolean;
}

/** What Phoenix did not keep, or does not give out over its API. */
const LEFT_BEHIND =
  'Not in Phoenix, so not here: times below a microsecond, links, resources, scopes, dropped counts, bytes. ' +
  'Not read: annotations of documents, splits of data sets, prompts, the traces of experiments (import their projects by name).';

export function importPhoenixCommand(terminal: Terminal): Command {
  const command = new Command('import-phoenix')
    .description(
      "Move a project of Phoenix here over its REST API: spans with their sessions, annotations and notes, and the instance's data sets and experiments. What is here already stays as it is; an interrupted move goes on when it is run again.",
    )
    .requiredOption('--from <url>', 'the Phoenix, version 20 or newer', parseEndpoint)
    .requiredOption('--project <name>', 'its project')
    .option('--to <name>', 'name of the project here (default: the same)')
    .option('--tenant <id>', 'the tenant whose spans they are from now on (default: none)')
    .option('--no-datasets', 'leave out data sets and experiments, which Phoenix has for all projects together')
    .option('--state <file>', 'where it is kept how far it came (default: in .cogniverse)')
    .addOption(new Option('--from-key <key>', 'key for that Phoenix').env('PHOENIX_API_KEY').hideHelp());
  addAccessOptions(command, { createsData: true });
  addJsonOption(command);
  addExamples(
    command,
    'cogniverse import-phoenix --from http://phoenix.internal:6006 --project chat --tenant acme --data ./new-data',
  );
  return command.action((options: ImportPhoenixOptions) =>
    withStore(
      options,
      async (store, place) => {
        const source = new PhoenixSource(options.from, options.fromKey);
        const version = await source.version();
        await source.checkProject(options.project);
        terminal.note(`${options.from} is Phoenix ${safe(version)}.`);
        const to = { tenantId: options.tenant ?? null, name: options.to ?? options.project };
        const digest = createHash('sha256')
          .update(JSON.stringify([options.from, options.project, place.name, to.tenantId, to.name]))
          .digest('hex')
          .slice(0, 12);
        const project = await importProject(store, {
          source,
          from: options.project,
          to,
          isServer: place.kind === 'server',
          stateFile: resolve(options.state ?? `.cogniverse/import-phoenix.${digest}.json`),
          terminal,
        });
        const sets = options.datasets
          ? await importDatasets(store, { source, tenantId: to.tenantId, terminal })
          : { datasets: 0, versions: 0, experiments: 0, runs: 0, verified: { versions: 0, runs: 0 }, missing: [] };
        const missing = [...(project.missing === '' ? [] : [project.missing]), ...sets.missing];
        if (options.json) {
          const { verifiedSpans, ...counts } = project;
          const verified = { spans: verifiedSpans, ...sets.verified };
          terminal.line(jsonLine({ from: options.from, to: place.name, ...counts, ...sets, verified, missing }));
        } else {
          const parts = [
            count(project.spans, 'span'),
            count(project.annotations, 'new annotation'),
            `${count(sets.datasets, 'data set')} in ${count(sets.versions, 'version')}`,
            count(sets.experiments, 'experiment'),
          ];
          terminal.line(`${parts.join(', ')} imported into ${place.name}`);
          terminal.line(
            `Read back and found as in Phoenix: ${count(project.verifiedSpans, 'span')} (a sample), ${count(sets.verified.versions, 'version')} of data sets, ${count(sets.verified.runs, 'run')}; all spans were counted.`,
          );
        }
        for (const refusal of project.refusals) terminal.note(`Refused: ${safe(refusal)}`);
        for (const each of missing) terminal.note(`Not all there: ${each}`);
        terminal.note(LEFT_BEHIND);
        if (missing.length > 0 || project.rejectedSpans > 0) throw new BadNews();
      },
      { createsData: true },
    ),
  );
}
