/** `cogniverse doctor`: what is wrong here, and what to do about it.   Control path. */
import { Command } from 'commander';
import { BadNews } from '../cli-error.js';
import { checkApplication } from '../doctor/check-application.js';
import { checkConfiguration } from '../doctor/check-configuration.js';
import { checkData } from '../doctor/check-data.js';
import { checkEndpoint } from '../doctor/check-endpoint.js';
import { checkRetention } from '../doctor/check-retention.js';
import { checkNodeVersion, checkPackages } from '../doctor/check-versions.js';
import type { Finding } from '../doctor/finding.js';
import { jsonLine } from '../format/json.js';
import type { Terminal } from '../format/terminal.js';
import { count, safe } from '../format/text.js';
import {
  type AccessOptions,
  addExamples,
  addJsonOption,
  addServerOptions,
  DEFAULT_DATA,
  DEFAULT_ENDPOINT,
  defaultData,
  endpointOfEnvironment,
} from '../options.js';
import { ownVersion } from '../version.js';

interface DoctorOptions extends AccessOptions {
  readonly json?: boolean;
}

function print(terminal: Terminal, finding: Finding): void {
  const { colors } = terminal;
  const mark = { ok: colors.green('✓'), warning: colors.yellow('!'), error: colors.red('✗') }[finding.level];
  terminal.line(`${mark} ${finding.check.padEnd(15)} ${safe(finding.message)}`);
  if (finding.remedy !== '') {
    terminal.line(`  ${' '.repeat(15)} ${colors.bold('→')} ${safe(finding.remedy)} (${finding.code})`);
  }
}

export function doctorCommand(terminal: Terminal): Command {
  const command = new Command('doctor').description(
    'Check Node, versions, environment, stored configuration, server and key, clock, the endpoints of the spans, disk, data directory and retention; say what to do about each finding. Each has a code and a section in docs/operations.md.',
  );
  addServerOptions(command, `server to check (default: COGNIVERSE_ENDPOINT, else ${DEFAULT_ENDPOINT})`, (added) =>
    added.option('--data <dir>', `data directory to check (default: COGNIVERSE_DATA, else ${DEFAULT_DATA})`),
  );
  addJsonOption(command);
  addExamples(command, 'cogniverse doctor', 'cogniverse doctor --endpoint http://127.0.0.1:6006 --json');
  return command.action(async (options: DoctorOptions) => {
    const endpoint = options.endpoint ?? endpointOfEnvironment() ?? DEFAULT_ENDPOINT;
    const data = options.data ?? defaultData();
    // Loaded here: they need the write path, and no other command does.
    const [{ checkEnvironment }, { checkOtlpEndpoints }] = await Promise.all([
      import('../doctor/check-environment.js'),
      import('../doctor/check-otlp-endpoint.js'),
    ]);
    const findings = [
      checkNodeVersion(process.versions.node),
      checkPackages(ownVersion()),
      ...checkEnvironment(process.env),
      ...checkConfiguration(process.env),
      ...checkApplication(process.cwd(), process.env),
      ...(await checkEndpoint(endpoint, options)),
      ...(await checkOtlpEndpoints(process.env)),
      ...(await checkData(data)),
      ...(await checkRetention(data, endpoint, options)),
    ];
    for (const finding of findings) {
      if (options.json) terminal.line(jsonLine(finding));
      else print(terminal, finding);
    }
    const errors = findings.filter((finding) => finding.level === 'error').length;
    const warnings = findings.filter((finding) => finding.level === 'warning').length;
    if (!options.json)
      terminal.note(
        errors + warnings === 0 ? 'All is well.' : `${count(errors, 'error')}, ${count(warnings, 'warning')}.`,
      );
    if (errors > 0) throw new BadNews();
  });
}
