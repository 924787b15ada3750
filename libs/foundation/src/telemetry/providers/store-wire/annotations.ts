/** Annotations as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { AnnotationQuery, AnnotationStore, EvaluationRow } from '../annotation-store.js';
import type { Annotation, NewAnnotation, SpanRecord } from '../records.js';
import type { AnnotationCalls } from '../store/annotation-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import {
  annotatorKind,
  answer,
  dataOf,
  isObject,
  jsonObject,
  listOf,
  nonEmpty,
  optionalText,
  projectRef,
  request,
  type Shape,
  scoreOrNull,
  text,
  textOrNull,
} from './values.js';

const annotation = answer<Annotation>({
  id: text,
  spanId: text,
  name: text,
  annotatorKind,
  label: text.nullable(),
  score: z.number().nullable(),
  explanation: text.nullable(),
  metadata: jsonObject,
  identifier: text,
  createdAt: text,
  updatedAt: text,
});

const annotationShape: Shape<NewAnnotation> = {
  spanId: nonEmpty,
  name: nonEmpty,
  label: textOrNull,
  score: scoreOrNull,
  explanation: textOrNull,
  metadata: jsonObject.optional(),
  annotatorKind: annotatorKind.optional(),
  identifier: optionalText,
};
const newAnnotation = request<NewAnnotation>(annotationShape);

export const ANNOTATION_OPERATIONS = {
  addAnnotations: writing(
    'POST annotations',
    request<Parameters<AnnotationCalls['addAnnotations']>[0]>({
      project: projectRef,
      annotations: listOf(newAnnotation),
    }),
    dataOf(z.array(text)),
  ),
  getAnnotations: reading(
    'POST annotations/query',
    request<Parameters<AnnotationCalls['getAnnotations']>[0]>({
      project: projectRef,
      spanIds: listOf(text),
      annotationNames: listOf(text).optional(),
    }),
    dataOf(z.array(annotation)),
  ),
} satisfies OperationsOf<AnnotationCalls>;

const project = optionalText;
const evaluationRow = request<EvaluationRow>({
  spanId: nonEmpty,
  score: scoreOrNull,
  label: textOrNull,
  explanation: textOrNull,
});

/** The options of a provider's annotation store. */
export const ANNOTATION_INPUTS = {
  annotation: request<NewAnnotation & { project?: string | undefined }>({ ...annotationShape, project }),
  annotationQuery: request<AnnotationQuery>({
    spans: listOf(
      z.union([z.string(), z.custom<SpanRecord>(isObject)], 'it must be a span or the id of one'),
      'it must be a list of spans, or of their ids',
    ),
    project,
    annotationNames: listOf(text, 'it must be a list of names').optional(),
  }),
  evaluations: request<Parameters<AnnotationStore['logEvaluations']>[0]>({
    evalName: nonEmpty,
    evaluations: listOf(evaluationRow),
    project,
    annotatorKind: annotatorKind.optional(),
  }),
} as const;
