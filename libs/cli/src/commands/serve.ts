/** `cogniverse serve`: OTLP in, read API out, over a data directory.   Control path: shell -> [serve] -> store and server. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigurationError } from '@cogniverse/foundation/store';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { LogLevel, RunningServer, ServerLogger, ServerOptions } from '@cogniverse/server';
import { collectWhenIdle, type OpenLocalStoreOptions } from '@cogniverse/telemetry-local/store';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from '../cli-error.js';
import type { Terminal } from '../format/terminal.js';
import { addExamples, DEFAULT_DATA, defaultData, parsePort } from '../options.js';
import { openDataDirectory } from '../store-access.js';
import type { Section, TuningOption } from '../tuning-options.js';

/** What a file or the command line says of the server's limits and of the store. */
interface Tuning {
  readonly store: Omit<OpenLocalStoreOptions, 'dataDir' | 'report'>;
  readonly limits: ServerOptions['limits'];
}

interface ServeOptions {
  readonly data?: string;
  readonly host: string;
  readonly port: number;
  readonly otlpPort: number;
  readonly grpcPort: number;
  readonly allowedHost?: string[];
  readonly trustProxy?: string[];
  readonly logLevel?: LogLevel;
  readonly logRequests?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/**
 * Sets options from a JSON file; what the command line says wins. Keys are the options' long names (`otlp-port` or `otlpPort`);
 * `store` holds options of the embedded store, `limits` those of the server; both are given back.
 *
 * Errors: `CliError` naming file, key and remedy.
 */
function applyConfigFile(command: Command, path: string, tuning: readonly TuningOption[]): Tuning {
  let text: string;
  let config: unknown;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(
      `The configuration file ${path} cannot be read (${(error as Error).message}). Correct --config.`,
      { cause: error },
    );
  }
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new CliError(`The configuration file ${path} is no valid JSON (${(error as Error).message}).`, {
      cause: error,
    });
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new CliError(`The configuration file ${path} must hold one JSON object, for example {"port": 6006}.`);
  }
  const options = command.options.filter(
    (option) =>
      option.long !== '--config' && option.long !== '--help' && !tuning.some((entry) => entry.option === option),
  );
  const { store = {}, limits, ...rest } = config as Record<string, unknown>;
  if (typeof store !== 'object' || store === null || Array.isArray(store) || 'dataDir' in store || 'report' in store) {
    throw new CliError(
      `${path}: "store" must be an object of the embedded store's options, for example {"memoryLimitMb": 2048}; the directory is "data".`,
    );
  }
  if (limits !== undefined && (typeof limits !== 'object' || limits === null || Array.isArray(limits))) {
    throw new CliError(
      `${path}: "limits" must be an object of the server's limits, for example {"maxConnections": 4096}.`,
    );
  }
  for (const [key, value] of Object.entries(rest)) {
    const option = options.find((candidate) => candidate.attributeName() === key || candidate.name() === key);
    if (option === undefined) {
      const tuned = tuning.find((entry) => entry.name === key || entry.option.name() === key);
      if (tuned !== undefined) {
        throw new CliError(
          `${path}: "${key}" belongs into "${tuned.section}": {"${tuned.section}": {"${tuned.name}": ${JSON.stringify(value)}}}.`,
        );
      }
      throw new CliError(
        `${path}: unknown key "${key}". Known are: ${options.map((candidate) => candidate.name()).join(', ')}, store, limits.`,
      );
    }
    const source = command.getOptionValueSource(option.attributeName());
    if (source === 'cli' || source === 'env') continue;
    command.setOptionValueWithSource(option.attributeName(), parseConfigValue(path, key, option, value), 'config');
  }
  return { store, limits: limits as ServerOptions['limits'] }; // checked by the store when it opens, and by the server
}

function parseConfigValue(path: string, key: string, option: Option, value: unknown): unknown {
  if (option.isBoolean()) {
    if (typeof value !== 'boolean')
      throw new CliError(`${path}: "${key}" is ${JSON.stringify(value)}; give true or false.`);
    return value;
  }
  if (option.variadic || option.attributeName() === 'allowedHost' || option.attributeName() === 'trustProxy') {
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
      throw new CliError(`${path}: "${key}" is ${JSON.stringify(value)}; give a list of texts.`);
    }
    return value;
  }
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new CliError(`${path}: "${key}" is ${JSON.stringify(value)}; give a text or a number.`);
  }
  try {
    return option.parseArg ? option.parseArg(String(value), undefined) : String(value);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new CliError(`${path}: "${key}" is ${JSON.stringify(value)}. ${error.message}`, { cause: error });
  }
}

/** What was given on the command line or in the environment. */
function tuningOf(command: Command, tuning: readonly TuningOption[], section: Section): Record<string, number> {
  const given = command.opts<Record<string, number | undefined>>();
  return Object.fromEntries(
    tuning
      .filter((entry) => entry.section === section)
      .flatMap(({ name }) => (given[name] === undefined ? [] : [[name, given[name]]])),
  );
}

/** Errors: `CliError` naming the configuration file that holds a bad option of the store, or the process that has the directory open. */
async function openTunedStore(options: OpenLocalStoreOptions, configFile: string | undefined): Promise<TelemetryStore> {
  try {
    return await openDataDirectory(options, 'use another directory with --data');
  } catch (error) {
    if (!(error instanceof ConfigurationError) || configFile === undefined) throw error;
    throw new CliError(`${configFile}, "store": ${error.message}`, { cause: error });
  }
}

function readPem(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`${option} ${path} cannot be read (${(error as Error).message}).`, { cause: error });
  }
}

/**
 * The first SIGTERM or SIGINT, or the end of the terminal that it runs in. Further ones change nothing: the end is under way and bounded in
 * time, and a Ctrl-C often comes twice (from the terminal to the whole group, and from whoever started us).
 */
function nextStopSignal({ isInteractive }: Terminal): Promise<NodeJS.Signals> {
  return new Promise((done) => {
    process.on('SIGTERM', done);
    process.on('SIGINT', done);
    if (isInteractive) process.on('SIGHUP', done);
  });
}

/**
 * SIGHUP to what runs in the background: certificate and key are read again; what cannot be used is told, and the old ones stay. The access
 * keys are read again whenever their file changes. Without TLS nothing is left to do, and the server goes on.
 */
function reloadOnHangup(server: RunningServer, logger: ServerLogger, { tlsCert, tlsKey }: ServeOptions): void {
  process.on('SIGHUP', () => {
    if (tlsCert === undefined || tlsKey === undefined) return;
    try {
      server.useCertificate({ cert: readPem(tlsCert, '--tls-cert'), key: readPem(tlsKey, '--tls-key') });
    } catch (error) {
      logger.log('error', 'tls_reload_failed', { error: (error as Error).message });
    }
  });
}

function portOption(flags: string, meaning: string, initial: number, variable: string): Option {
  return new Option(flags, meaning).default(initial).env(variable).argParser(parsePort);
}

function listOption(flags: string, meaning: string, variable: string): Option {
  return new Option(flags, meaning)
    .env(variable)
    .argParser((text: string, previous: string[] = []) => [...previous, ...text.split(',').map((each) => each.trim())]);
}

function announce(terminal: Terminal, server: RunningServer, dataDir: string, json: boolean | undefined): void {
  const { http, otlpHttp, otlpGrpc } = server.addresses;
  if (json) {
    terminal.line(JSON.stringify({ http, otlpHttp, otlpGrpc, pid: process.pid, data: dataDir }));
    return;
  }
  const { bold, dim } = terminal.colors;
  terminal.line(`${bold('Cogniverse is serving')} ${dim(`(process ${process.pid}, data in ${dataDir})`)}`);
  terminal.line(`  read API and OTLP  ${http}`);
  terminal.line(`  OTLP over HTTP     ${otlpHttp}`);
  terminal.line(`  OTLP over gRPC     ${otlpGrpc}`);
  terminal.line(dim('Stop with Ctrl-C.'));
}

/** `tuning`: not needed, and not given, where another command runs. */
export function serveCommand(terminal: Terminal, tuning: readonly TuningOption[] = []): Command {
  const command = new Command('serve')
    .description('Take OTLP in, store it durably, and answer reads. Runs until SIGTERM or Ctrl-C.')
    .option('--data <dir>', `data directory (default: COGNIVERSE_DATA, else ${DEFAULT_DATA})`)
    .addOption(
      new Option('--host <name>', 'address to listen on; one that others can reach needs keys, see `cogniverse keys`')
        .default('127.0.0.1')
        .env('COGNIVERSE_HOST'),
    )
    .addOption(
      portOption('--port <n>', 'HTTP: OTLP, read API, health, metrics; 0 for any free port', 6006, 'COGNIVERSE_PORT'),
    )
    .addOption(portOption('--otlp-port <n>', 'OTLP over HTTP; 0 for any free port', 4318, 'COGNIVERSE_OTLP_PORT'))
    .addOption(portOption('--grpc-port <n>', 'OTLP over gRPC; 0 for any free port', 4317, 'COGNIVERSE_GRPC_PORT'))
    .option('--config <file>', 'JSON file with these options as keys, "store" and "limits"; the command line wins')
    .addOption(
      listOption(
        '--allowed-host <name>',
        'accept this name in Host besides loopback names; may be given several times, or with commas',
        'COGNIVERSE_ALLOWED_HOST',
      ),
    )
    .addOption(
      listOption(
        '--trust-proxy <cidr>',
        'believe X-Forwarded-For, -Proto and -Host from these addresses; may be given several times, or with commas',
        'COGNIVERSE_TRUST_PROXY',
      ),
    )
    .addOption(
      new Option('--log-level <level>', 'least level of a line of the log (default: info; warn on a terminal)')
        .choices(['info', 'warn', 'error'])
        .env('COGNIVERSE_LOG_LEVEL'),
    )
    .option('--log-requests', 'log a line for each request')
    .addOption(
      new Option(
        '--tls-cert <file>',
        'PEM certificate: all ports then speak TLS (with --tls-key); SIGHUP reads both again',
      ).env('COGNIVERSE_TLS_CERT'),
    )
    .addOption(new Option('--tls-key <file>', 'PEM key of that certificate').env('COGNIVERSE_TLS_KEY'))
    .option('--json', 'print the addresses as one JSON object, first on standard output');
  for (const { option } of tuning) command.addOption(option);
  addExamples(
    command,
    'cogniverse serve',
    'cogniverse serve --retention-days 30 --max-connections 4096',
    'cogniverse serve --data /var/lib/cogniverse --port 0 --otlp-port 0 --grpc-port 0 --json',
  );
  return command.action(async () => {
    const configFile = command.opts<ServeOptions>().config;
    const fromFile = configFile === undefined ? undefined : applyConfigFile(command, configFile, tuning);
    const options = command.opts<ServeOptions>();
    if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
      throw new CliError('--tls-cert and --tls-key belong together: give both, or neither for plain HTTP.');
    }
    const tls =
      options.tlsCert === undefined || options.tlsKey === undefined
        ? undefined
        : { cert: readPem(options.tlsCert, '--tls-cert'), key: readPem(options.tlsKey, '--tls-key') };
    const dataDir = resolve(options.data ?? defaultData());
    process.umask(0o077); // whatever this process writes is its user's alone, also in a directory that others may enter
    const stopped = nextStopSignal(terminal);
    // Loaded here: no other command needs them.
    const { accessKeyFile, createStderrLogger, parseServerOptions } = await import('@cogniverse/server/options');
    // Before the store is opened: a mistake in an option leaves no directory behind.
    const settings = parseServerOptions({
      host: options.host,
      port: options.port,
      otlpPort: options.otlpPort,
      grpcPort: options.grpcPort,
      allowedHosts: options.allowedHost ?? [],
      keyFile: accessKeyFile(dataDir),
      tls,
      trustProxy: options.trustProxy ?? [],
      logRequests: options.logRequests ?? false,
      limits: { ...fromFile?.limits, ...tuningOf(command, tuning, 'limits') },
    });
    const logger = createStderrLogger(options.logLevel ?? (terminal.isInteractive ? 'warn' : 'info'));
    const opening = openTunedStore({ ...fromFile?.store, ...tuningOf(command, tuning, 'store'), dataDir }, configFile);
    const loading = import('@cogniverse/server'); // meanwhile: the store opens in a thread of its own
    const store = await opening;
    try {
      const { startServer } = await loading;
      const server = await startServer({
        ...settings,
        store,
        logger,
      });
      if (!terminal.isInteractive) reloadOnHangup(server, logger, options);
      announce(terminal, server, dataDir, options.json);
      collectWhenIdle();
      await stopped;
      await server.close();
    } finally {
      await store.shutdown();
    }
  });
}
