/** `cogniverse trace ID`: one trace as a tree.   Read path. */
import { Command, InvalidArgumentError } from 'commander';
import { CliError } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count, duration, safe, time } from '../format/text.js';
import { timeRange, traceTree } from '../format/trace-tree.js';
import {
  type AccessOptions,
  addAccessOptions,
  addExamples,
  addJsonOption,
  addScopeOptions,
  type ScopeOptions,
} from '../options.js';
import { spansOfTrace } from '../span-reading.js';
import { findProjects, withStore } from '../store-access.js';

interface TraceOptions extends AccessOptions, ScopeOptions {
  readonly json?: boolean;
}

function parseTraceId(text: string): string {
  if (!/^[\da-f]{32}$/i.test(text))
    throw new InvalidArgumentError('A trace id has 32 hexadecimal digits; `cogniverse spans` shows them.');
  return text.toLowerCase();
}

export function traceCommand(terminal: Terminal): Command {
  const command = new Command('trace')
    .description('Show one trace as a tree with durations and errors.')
    .argument('<id>', 'trace id, 32 hexadecimal digits', parseTraceId);
  addScopeOptions(command);
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(
    command,
    'cogniverse trace 4bf92f3577b34da6a3ce929d0e0e4736',
    'cogniverse trace 4bf92f3577b34da6a3ce929d0e0e4736 --tenant acme --json',
  );
  return command.action((traceId: string, options: TraceOptions) =>
    withStore(options, async (store) => {
      let found = false;
      for (const project of await findProjects(store, options)) {
        const spans = await spansOfTrace(store, project, traceId);
        if (spans.length === 0) continue;
        if (options.json) {
          for (const span of spans) terminal.line(jsonLine(span));
        } else {
          if (found) terminal.line('');
          const { start, end } = timeRange(spans);
          const errors = spans.filter((span) => span.statusCode === 'ERROR').length;
          const parts = [
            `trace ${traceId}`,
            `project ${safe(project.name)}`,
            `tenant ${safe(project.tenantId ?? '-')}`,
            time(start),
            duration(Number(end - start) / 1e6),
            count(spans.length, 'span'),
            errors === 0 ? 'no errors' : terminal.colors.red(count(errors, 'error')),
          ];
          terminal.line(parts.join(' · '));
          for (const line of traceTree(terminal, spans)) terminal.line(line);
        }
        found = true;
      }
      if (!found) {
        throw new CliError(
          `No span of trace ${traceId} is stored${options.tenant ? ` for tenant "${safe(options.tenant)}"` : ''}. See the newest traces with: cogniverse spans --root`,
        );
      }
    }),
  );
}
