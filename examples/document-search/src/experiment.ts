/** Compares two ranking strategies on the same questions: a data set and an experiment for each, kept by the telemetry provider. */
import { DatasetExistsError, type Telemetry, type TelemetryProvider } from '@cogniverse/foundation/telemetry';
import { askSearch, judgeAnswer } from './client.js';
import type { Collection } from './collection.js';
import type { DemoTenant } from './tenants.js';
import type { Conversation, SearchQuestion, Strategy } from './traffic.js';

export const COMPARED: readonly Strategy[] = ['bm25', 'hybrid'];
const DATASET = 'ranking-questions';
const QUESTIONS = 12;
const TOP_K = 10;

export interface ExperimentResult {
  readonly strategy: Strategy;
  readonly experimentId: string;
  readonly runs: number;
  /** Mean NDCG over the runs. */
  readonly meanScore: number;
}

function questionsOf(collection: Collection, conversations: readonly Conversation[]) {
  return conversations
    .map((conversation) =>
      conversation.questions.find(
        (question): question is SearchQuestion => question.kind === 'search' && !question.query.includes('"'),
      ),
    )
    .filter((question) => question !== undefined)
    .slice(0, QUESTIONS)
    .map((question) => ({
      input: { query: question.query, top_k: TOP_K },
      output: { document_id: collection.passages[question.about]!.id },
    }));
}

export async function compareStrategies(options: {
  telemetry: Telemetry;
  provider: TelemetryProvider;
  serviceUrl: string;
  tenant: DemoTenant;
  collection: Collection;
  conversations: readonly Conversation[];
  runId: string;
}): Promise<ExperimentResult[]> {
  const { telemetry, provider, serviceUrl, tenant, collection, conversations, runId } = options;
  try {
    await provider.datasets.createDataset({
      name: DATASET,
      description: 'Questions, and the passage that the user had in mind.',
      rows: questionsOf(collection, conversations),
    });
  } catch (error) {
    if (!(error instanceof DatasetExistsError)) throw error; // an earlier run made it, of the same questions
  }
  const rows = await provider.datasets.getDataset(DATASET);
  const results: ExperimentResult[] = [];
  for (const strategy of COMPARED) {
    const experimentId = await provider.experiments.createExperiment({
      name: `ranking-${strategy}`,
      datasetName: DATASET,
      metadata: { strategy, run_id: runId },
    });
    let total = 0;
    for (const row of rows) {
      const query = String(row.input['query']);
      const about = collection.positionOf(String(row.output['document_id']))!;
      const attributes = {
        'openinference.span.kind': 'CHAIN',
        'input.value': query,
        strategy,
        'experiment.id': experimentId,
      };
      const startTime = new Date();
      const { answer, traceId } = await telemetry.span(
        'experiment.task',
        { tenantId: tenant.id, attributes },
        async (span) => ({
          answer: await askSearch(serviceUrl, tenant.id, `${tenant.id}-session-experiment`, {
            query,
            strategy,
            topK: TOP_K,
          }),
          traceId: span.spanContext().traceId,
        }),
      );
      const judgement = judgeAnswer(collection, about, answer);
      total += judgement.score;
      const run = await provider.experiments.logRun(experimentId, {
        inputs: row.input,
        outputs: { document_ids: answer.results.map((result) => result.id) },
        datasetExampleId: row.id,
        traceId,
        startTime,
        endTime: new Date(),
      });
      await provider.experiments.logEvaluation(run, { name: 'ndcg_at_10', annotatorKind: 'CODE', ...judgement });
    }
    results.push({ strategy, experimentId, runs: rows.length, meanScore: rows.length === 0 ? 0 : total / rows.length });
  }
  return results;
}
