/** `cogniverse demo`: the demo application against an OTLP endpoint.   Control path: shell -> [demo] -> application. */
import { setTimeout as wait } from 'node:timers/promises';
import { Command } from 'commander';
import { BadNews } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import { table } from '../format/table.js';
import type { Terminal } from '../format/terminal.js';
import { type AccessOptions, addExamples, addJsonOption, addServerOptions, DEFAULT_ENDPOINT } from '../options.js';
import { namedEndpoint } from '../store-access.js';

interface DemoOptions extends Omit<AccessOptions, 'data'> {
  readonly once?: boolean;
  readonly json?: boolean;
}

const PAUSE_MILLIS = 30_000;

export function demoCommand(terminal: Terminal): Command {
  const command = new Command('demo').description(
    `Run a search service with three tenants over real texts, send its spans to an OTLP endpoint, and show what is stored there. Again every ${PAUSE_MILLIS / 1000} s until Ctrl-C.`,
  );
  addServerOptions(
    command,
    `server, or another receiver of OTLP over HTTP (default: COGNIVERSE_ENDPOINT, else ${DEFAULT_ENDPOINT})`,
  );
  command.option('--once', 'end after the first summary');
  addJsonOption(command);
  addExamples(command, 'cogniverse demo --once', 'cogniverse demo --endpoint http://collector.internal:4318 --once');
  return command.action(async (options: DemoOptions) => {
    // Loaded here: no other command needs the demo's code.
    const { findFaults, formatSummary, summaryOf } = await import('#document-search/summary.js');
    const { findTarget, runRound } = await import('../demo/run-demo.js');
    const target = await findTarget(options.endpoint ?? namedEndpoint() ?? DEFAULT_ENDPOINT, {
      apiKey: options.apiKey,
      plainHttp: options.plainHttp,
    });
    if (target.endpoint === undefined) {
      terminal.note(
        `${target.otlpHttp} takes spans, and no more that the demo knows of: no annotations, no experiment, nothing is read back.`,
      );
    }
    const stop = new AbortController();
    const onSignal = () => stop.abort();
    process.once('SIGINT', onSignal);
    process.once('SIGTERM', onSignal);
    try {
      while (!stop.signal.aborted) {
        const { result, report } = await runRound(target, stop.signal);
        if (options.json) terminal.line(jsonLine(summaryOf(result, report)));
        else terminal.line(`\n${formatSummary(result, report, { table, colors: terminal.colors })}`);
        const faults = report === undefined ? [] : findFaults(report);
        for (const fault of faults) terminal.note(`FAULT: ${fault}`);
        if (faults.length > 0) throw new BadNews();
        if (options.once) return;
        if (!options.json) {
          terminal.note(`\nLook around, for example: cogniverse spans --tenant globex --status ERROR`);
          terminal.note(`The next round begins in ${PAUSE_MILLIS / 1000} s. Stop with Ctrl-C.`);
        }
        await wait(PAUSE_MILLIS, undefined, { signal: stop.signal });
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      process.removeListener('SIGINT', onSignal);
      process.removeListener('SIGTERM', onSignal);
    }
  });
}
