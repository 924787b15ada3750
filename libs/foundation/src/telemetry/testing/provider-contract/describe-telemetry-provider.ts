/**
 * What every provider does, told by examples: the six stores, and what holds for all of them.   Testing: the published contract.
 *
 * Independent of the test runner: it gets `describe` and `it`, and asserts with Node's own `assert`.
 */
import { ConfigurationError } from '../../errors.js';
import { describeAnalytics } from './analytics.js';
import { describeAnnotations } from './annotations.js';
import { ContractBackend, type ProviderBackend, SharedBackend, type Through } from './backend.js';
import { CAPABILITIES, type LackedCapabilities, type ProviderCapability, requireCapabilities } from './capabilities.js';
import { describeConcurrency } from './concurrency.js';
import { describeConditions } from './conditions.js';
import { describeDatasets } from './datasets.js';
import { describeErrors } from './errors.js';
import { describeExperiments } from './experiments.js';
import { describeIsolation } from './isolation.js';
import { describePagingAndOrder } from './paging-and-order.js';
import { describeSessions } from './sessions.js';
import { describeTimeRanges } from './time-ranges.js';
import { describeTraces } from './traces.js';
import { describeUnicode } from './unicode.js';
import { describeWriteEnd } from './write-end.js';

export interface ProviderContractOptions {
  /** Makes a backend ready for use. Called for the first case, for cases that need one of their own, and after a pause in the run. */
  readonly start: () => Promise<ProviderBackend>;
  /** What the provider lacks, with the reason; the cases that need it check instead how the lack shows. Default: nothing. */
  readonly lacks?: LackedCapabilities | undefined;
  /** `manager`: the cases get their providers from `getProvider()` of a manager. Default `provider`: made and initialized by themselves. */
  readonly through?: Through | undefined;
}

/** Of vitest, jest, `node:test`, or any other. */
export interface ContractTestRunner {
  readonly describe: (name: string, define: () => void) => unknown;
  /** `timeoutMillis`: the longest that a case may take. `node:test` has no limit and does not look at it. */
  readonly it: (name: string, run: () => Promise<void>, timeoutMillis?: number) => unknown;
}

/** Declares one case. `needs`: the capabilities without which it cannot run. */
export type Check = (
  title: string,
  run: (backend: ContractBackend) => Promise<void>,
  ...needs: ProviderCapability[]
) => void;

/** What a topic declares its cases with. */
export interface ContractTopic {
  readonly check: Check;
  readonly lacks: LackedCapabilities;
  /** A backend of one case's own. */
  readonly withOwnBackend: (run: (backend: ContractBackend) => Promise<void>) => Promise<void>;
}

const TOPICS: readonly (readonly [title: string, describeTopic: (topic: ContractTopic) => void])[] = [
  ['traces', describeTraces],
  ['time ranges', describeTimeRanges],
  ['conditions', describeConditions],
  ['paging and order', describePagingAndOrder],
  ['annotations', describeAnnotations],
  ['sessions', describeSessions],
  ['data sets', describeDatasets],
  ['experiments', describeExperiments],
  ['metrics', describeAnalytics],
  ['unicode', describeUnicode],
  ['tenants', describeIsolation],
  ['concurrent use', describeConcurrency],
  ['errors', describeErrors],
  ['the write end', describeWriteEnd],
];

const CASE_TIMEOUT_MILLIS = 60_000;

/**
 * Declares the cases that a provider has to pass.
 *
 * Errors: `ConfigurationError` if `lacks` names what is no capability, or gives no reason.
 */
export function describeTelemetryProvider(
  name: string,
  options: ProviderContractOptions,
  runner: ContractTestRunner,
): void {
  if (
    typeof options?.start !== 'function' ||
    typeof runner?.describe !== 'function' ||
    typeof runner.it !== 'function'
  ) {
    throw new ConfigurationError(
      'describeTelemetryProvider() takes a name, { start }, and { describe, it } of the test runner.',
    );
  }
  const { describe, it } = runner;
  const { start, lacks = {}, through = 'provider' } = options;
  requireCapabilities(lacks);
  const open = async () => new ContractBackend(await start(), through);
  const shared = new SharedBackend(open);
  const check: Check = (title, run, ...needs) => {
    const lacking = needs.find((capability) => lacks[capability] !== undefined);
    if (lacking === undefined) {
      it(title, () => shared.use(run), CASE_TIMEOUT_MILLIS);
      return;
    }
    const { behaviour, check: instead } = CAPABILITIES[lacking];
    it(
      `lacks ${lacking} (${lacks[lacking]}) and ${behaviour}, instead of: ${title}`,
      () => shared.use(instead),
      CASE_TIMEOUT_MILLIS,
    );
  };
  const withOwnBackend: ContractTopic['withOwnBackend'] = async (run) => {
    const backend = await open();
    try {
      await run(backend);
    } finally {
      await backend.stop();
    }
  };
  describe(`the telemetry provider ${name}`, () => {
    for (const [title, describeTopic] of TOPICS) {
      describe(title, () => describeTopic({ check, lacks, withOwnBackend }));
    }
    it('stops', () => shared.stop(), CASE_TIMEOUT_MILLIS);
  });
}
