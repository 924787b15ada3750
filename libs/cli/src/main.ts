/** The `cogniverse` command.   Control path and read path, from a shell. */
import { processTerminal } from './format/terminal.js';
import { runCli } from './program.js';

process.exitCode = await runCli(process.argv.slice(2), processTerminal());
