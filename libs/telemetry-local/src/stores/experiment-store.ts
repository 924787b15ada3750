/** Experiments of one tenant and their runs.   Read path: getProvider() -> provider -> [experiments] -> store. */

import {
  checkInput,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  jsonObject,
  PROVIDER_INPUTS,
} from '@cogniverse/foundation/store';
import type {
  ExperimentComparison,
  ExperimentRecord,
  ExperimentRunRecord,
  ExperimentStore,
  IncompleteEvaluation,
  IncompleteRun,
  NewExperiment,
  NewExperimentRun,
  NewRunEvaluation,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { allPages } from './all-pages.js';

export class LocalExperimentStore implements ExperimentStore {
  readonly #store: TelemetryStore;
  readonly #tenantId: string;

  constructor(store: TelemetryStore, tenantId: string) {
    this.#store = store;
    this.#tenantId = tenantId;
  }

  async createExperiment(options: NewExperiment): Promise<string> {
    checkInput(PROVIDER_INPUTS.experiment, options);
    const metadata = optionalJson(options.metadata, 'metadata');
    const created = await this.#store.createExperiment({ ...options, metadata, tenantId: this.#tenantId });
    return created.id;
  }

  async logRun(experimentId: string, run: NewExperimentRun): Promise<string> {
    checkInput(PROVIDER_INPUTS.run, run);
    const logged = await this.#store.logRun({
      ...this.#experiment(experimentId),
      run: {
        ...run,
        inputs: optionalJson(run.inputs, 'inputs'),
        outputs: jsonObject(run.outputs, 'outputs'),
        metadata: optionalJson(run.metadata, 'metadata'),
      },
    });
    return logged.id;
  }

  async logEvaluation(runId: string, evaluation: NewRunEvaluation): Promise<void> {
    checkInput(PROVIDER_INPUTS.runEvaluation, evaluation);
    const metadata = optionalJson(evaluation.metadata, 'metadata');
    await this.#store.logRunEvaluation({ tenantId: this.#tenantId, runId, evaluation: { ...evaluation, metadata } });
  }

  /** Errors: `DatasetNotFoundError` if one is named that the tenant does not have. */
  async listExperiments(options: { datasetName?: string | undefined } = {}): Promise<ExperimentRecord[]> {
    checkInput(PROVIDER_INPUTS.experimentQuery, options);
    const { datasetName } = options;
    if (datasetName === undefined) return this.#store.listExperiments({ tenantId: this.#tenantId });
    const [dataset] = await this.#store.listDatasets({ tenantId: this.#tenantId, name: datasetName });
    if (dataset === undefined) {
      throw new DatasetNotFoundError(
        `Tenant "${this.#tenantId}" has no data set named "${datasetName}". Create it first.`,
      );
    }
    return this.#store.listExperiments({ tenantId: this.#tenantId, datasetId: dataset.id });
  }

  async getExperiment(experimentId: string): Promise<ExperimentRecord> {
    const [found] = await this.#store.listExperiments(this.#experiment(experimentId));
    if (found === undefined) {
      throw new ExperimentNotFoundError(`Tenant "${this.#tenantId}" has no experiment "${experimentId}".`);
    }
    return found;
  }

  async getRuns(experimentId: string): Promise<ExperimentRunRecord[]> {
    return allPages((page) => this.#store.getRuns({ ...this.#experiment(experimentId), ...page }));
  }

  async changeExperiment(
    experimentId: string,
    changes: Parameters<ExperimentStore['changeExperiment']>[1],
  ): Promise<void> {
    checkInput(PROVIDER_INPUTS.experimentChanges, changes);
    const metadata = optionalJson(changes.metadata, 'metadata');
    await this.#store.changeExperiment({ ...this.#experiment(experimentId), ...changes, metadata });
  }

  async deleteExperiment(experimentId: string): Promise<void> {
    await this.#store.deleteExperiment(this.#experiment(experimentId));
  }

  async getIncompleteRuns(experimentId: string): Promise<IncompleteRun[]> {
    return allPages((page) => this.#store.listIncompleteRuns({ ...this.#experiment(experimentId), ...page }));
  }

  async getIncompleteEvaluations(
    experimentId: string,
    evaluationNames: readonly string[],
  ): Promise<IncompleteEvaluation[]> {
    checkInput(PROVIDER_INPUTS.evaluationNames, { evaluationNames });
    return allPages((page) =>
      this.#store.listIncompleteEvaluations({ ...this.#experiment(experimentId), evaluationNames, ...page }),
    );
  }

  async compareExperiments(experimentIds: readonly string[]): Promise<ExperimentComparison> {
    checkInput(PROVIDER_INPUTS.experimentIds, { experimentIds });
    return this.#store.compareExperiments({ tenantId: this.#tenantId, experimentIds });
  }

  #experiment(experimentId: string): { tenantId: string; experimentId: string } {
    return { tenantId: this.#tenantId, experimentId };
  }
}

function optionalJson(value: Record<string, unknown> | undefined, field: string): Record<string, unknown> | undefined {
  return value === undefined ? undefined : jsonObject(value, field);
}
