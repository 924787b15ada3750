/** Experiments of one tenant and their runs.   Read path: getProvider() -> provider -> [experiments] -> store. */
import {
  checkInput,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  type ExperimentRecord,
  type ExperimentRunRecord,
  type ExperimentStore,
  jsonObject,
  type NewExperimentRun,
  PROVIDER_INPUTS,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';

export class LocalExperimentStore implements ExperimentStore {
  readonly #store: TelemetryStore;
  readonly #tenantId: string;

  constructor(store: TelemetryStore, tenantId: string) {
    this.#store = store;
    this.#tenantId = tenantId;
  }

  async createExperiment(options: Parameters<ExperimentStore['createExperiment']>[0]): Promise<string> {
    checkInput(PROVIDER_INPUTS.experiment, options);
    const { name, datasetName, metadata } = options;
    const created = await this.#store.createExperiment({
      tenantId: this.#tenantId,
      name,
      datasetName,
      metadata: metadata === undefined ? undefined : jsonObject(metadata, 'metadata'),
    });
    return created.id;
  }

  async logRun(experimentId: string, run: NewExperimentRun): Promise<string> {
    checkInput(PROVIDER_INPUTS.run, run);
    const { metadata } = run;
    const logged = await this.#store.logRun({
      tenantId: this.#tenantId,
      experimentId,
      run: {
        ...run,
        inputs: jsonObject(run.inputs, 'inputs'),
        outputs: jsonObject(run.outputs, 'outputs'),
        metadata: metadata === undefined ? undefined : jsonObject(metadata, 'metadata'),
      },
    });
    return logged.id;
  }

  async logEvaluation(runId: string, evaluation: Parameters<ExperimentStore['logEvaluation']>[1]): Promise<void> {
    checkInput(PROVIDER_INPUTS.runEvaluation, evaluation);
    await this.#store.logRunEvaluation({ tenantId: this.#tenantId, runId, evaluation });
  }

  /** Errors: `DatasetNotFoundError` if one is named that the tenant does not have. */
  async listExperiments(options: { datasetName?: string | undefined } = {}): Promise<ExperimentRecord[]> {
    checkInput(PROVIDER_INPUTS.experimentQuery, options);
    const { datasetName } = options;
    const experiments = await this.#store.listExperiments({ tenantId: this.#tenantId });
    if (datasetName === undefined) return experiments;
    const dataset = (await this.#store.listDatasets({ tenantId: this.#tenantId })).find(
      ({ name }) => name === datasetName,
    );
    if (dataset === undefined) {
      throw new DatasetNotFoundError(
        `Tenant "${this.#tenantId}" has no data set named "${datasetName}". Create it first.`,
      );
    }
    return experiments.filter(({ datasetId }) => datasetId === dataset.id);
  }

  async getExperiment(experimentId: string): Promise<ExperimentRecord> {
    const found = (await this.listExperiments()).find(({ id }) => id === experimentId);
    if (found === undefined) {
      throw new ExperimentNotFoundError(`Tenant "${this.#tenantId}" has no experiment "${experimentId}".`);
    }
    return found;
  }

  async getRuns(experimentId: string): Promise<ExperimentRunRecord[]> {
    return this.#store.getRuns({ tenantId: this.#tenantId, experimentId });
  }
}
