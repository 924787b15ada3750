/** Puts the commands together and turns what goes wrong into a sentence and an exit code: 0 done, 1 failed, 2 wrong usage. */
import { TelemetryError } from '@cogniverse/foundation/store';
import { Command, CommanderError } from 'commander';
import { BadNews, CliError, UsageError } from './cli-error.js';
import { backupCommand } from './commands/backup.js';
import { deleteTenantCommand } from './commands/delete-tenant.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { exportCommand } from './commands/export.js';
import { importCommand } from './commands/import.js';
import { importPhoenixCommand } from './commands/import-phoenix.js';
import { keysCommand } from './commands/keys.js';
import { projectsCommand } from './commands/projects.js';
import { restoreCommand } from './commands/restore.js';
import { serveCommand } from './commands/serve.js';
import { sessionsCommand } from './commands/sessions.js';
import { spansCommand } from './commands/spans.js';
import { statsCommand } from './commands/stats.js';
import { tailCommand } from './commands/tail.js';
import { traceCommand } from './commands/trace.js';
import type { Terminal } from './format/terminal.js';
import { addExamples } from './options.js';
import type { TuningOption } from './tuning-options.js';
import { ownVersion } from './version.js';

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

const USAGE_HINT = 'Run the same command with --help to see what it takes.';

export function createProgram(terminal: Terminal, tuning: readonly TuningOption[]): Command {
  const program = new Command('cogniverse')
    .description('Multi-tenant telemetry: take spans in, store them, and read them back.')
    .version(ownVersion(), '--version', 'print the version')
    .helpOption('--help', 'show help')
    .helpCommand('help [command]', 'show help of a command');
  addExamples(program, 'cogniverse serve', 'cogniverse spans --tenant acme --since 1h');
  for (const create of [
    serveCommand,
    demoCommand,
    projectsCommand,
    spansCommand,
    traceCommand,
    sessionsCommand,
    statsCommand,
    tailCommand,
    keysCommand,
    exportCommand,
    importCommand,
    importPhoenixCommand,
    backupCommand,
    restoreCommand,
    deleteTenantCommand,
    doctorCommand,
  ]) {
    program.addCommand(create(terminal, tuning));
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command
      .exitOverride()
      .showHelpAfterError(USAGE_HINT)
      .helpOption('--help', 'show help')
      .configureOutput({
        writeOut: (text) => terminal.line(text.trimEnd()),
        writeErr: (text) => terminal.note(text.trimEnd()),
      });
  }
  return program;
}

/** A sentence for people; no stack for what they can act on. */
export function describeFailure(error: unknown): string {
  if (error instanceof CliError || error instanceof TelemetryError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Runs one command line and gives its exit code. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  // Of the schemas of server and store; no other command needs these, or should wait for them.
  const tuning = args.includes('serve') ? (await import('./tuning-options.js')).tuningOptions() : [];
  const program = createProgram(terminal, tuning);
  try {
    if (args.length === 0) {
      program.outputHelp();
      return EXIT_DONE;
    }
    await program.parseAsync(args, { from: 'user' });
    return EXIT_DONE;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
    if (error instanceof BadNews) return EXIT_FAILED;
    terminal.note(terminal.colors.red(`error: ${describeFailure(error)}`));
    if (!(error instanceof UsageError)) return EXIT_FAILED;
    terminal.note(USAGE_HINT);
    return EXIT_USAGE;
  }
}
