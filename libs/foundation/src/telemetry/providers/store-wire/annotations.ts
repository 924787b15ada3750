/** Annotations as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type {
  AnnotationQuery,
  AnnotationSelection,
  AnnotationStore,
  EvaluationRow,
  SessionAnnotationQuery,
  TraceAnnotationQuery,
} from '../annotation-store.js';
import type {
  Annotation,
  AnnotationTarget,
  DocumentAnnotation,
  NewAnnotation,
  NewDocumentAnnotation,
  NewSessionAnnotation,
  NewSpanAnnotation,
  NewTraceAnnotation,
  SessionRecord,
  SpanRecord,
  TraceRecord,
} from '../records.js';
import type { AnnotationCalls, StoreAnnotationQuery, StoreAnnotationSelection } from '../store/annotation-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import {
  annotatorKind,
  answer,
  count,
  dataOf,
  flag,
  importCounts,
  isObject,
  jsonObject,
  listOf,
  nonEmpty,
  oneOf,
  optionalText,
  pageOf,
  projectRef,
  request,
  type Shape,
  scoreOrNull,
  snakeCase,
  text,
  textOrNull,
  time,
} from './values.js';

const TARGETS = ['span', 'trace', 'session', 'document'] as const satisfies readonly AnnotationTarget[];
const target = oneOf(TARGETS);
const POSITION = 'it must be a whole number from 0';
const documentPosition = z.int(POSITION).min(0, POSITION);

/** Every field that an annotation of any target has. */
type AnyTarget = { [K in 'spanId' | 'traceId' | 'sessionId']?: string } & { documentPosition?: number };
const targetShape: Shape<AnyTarget> = {
  spanId: nonEmpty.optional(),
  traceId: nonEmpty.optional(),
  sessionId: nonEmpty.optional(),
  documentPosition: documentPosition.optional(),
};
const TARGET_FIELDS: Readonly<Record<AnnotationTarget, readonly (keyof AnyTarget)[]>> = {
  span: ['spanId'],
  trace: ['traceId'],
  session: ['sessionId'],
  document: ['spanId', 'documentPosition'],
};

/** Its target's fields are there, and no others. */
function targeted<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return schema.check((payload) => {
    if (!isObject(payload.value)) return;
    const value = payload.value as Record<string, unknown>;
    const own = TARGETS.find((known) => known === (value['target'] ?? 'span'));
    if (own === undefined) return; // refused by its own schema
    for (const field of Object.keys(targetShape) as (keyof AnyTarget)[]) {
      const isOwn = TARGET_FIELDS[own].includes(field);
      if ((value[field] !== undefined) === isOwn) continue;
      const message = isOwn
        ? `an annotation of a ${own} needs it`
        : `an annotation of a ${own} has ${TARGET_FIELDS[own].join(' and ')} instead`;
      payload.issues.push({ code: 'custom', path: [snakeCase(field)], message, input: value[field] });
    }
  });
}

const recordShape: Shape<Omit<DocumentAnnotation, 'target' | 'spanId' | 'documentPosition'>> = {
  id: text,
  name: nonEmpty,
  annotatorKind,
  label: text.nullable(),
  score: z.number().nullable(),
  explanation: text.nullable(),
  metadata: jsonObject,
  identifier: text,
  createdAt: text,
  updatedAt: text,
};
const annotation = answer<AnyTarget>({
  target,
  ...targetShape,
  ...recordShape,
} as Shape<AnyTarget>) as z.ZodType<Annotation>;
const importedAnnotation = targeted(
  request<AnyTarget>({ target, ...targetShape, ...recordShape } as Shape<AnyTarget>),
) as z.ZodType<Annotation>;

const newShape: Shape<Omit<NewSpanAnnotation, 'target' | 'spanId'>> = {
  name: nonEmpty,
  label: textOrNull,
  score: scoreOrNull,
  explanation: textOrNull,
  metadata: jsonObject.optional(),
  annotatorKind: annotatorKind.optional(),
  identifier: optionalText,
};
const newAnnotation = targeted(
  request<AnyTarget>({ target: target.optional(), ...targetShape, ...newShape } as Shape<AnyTarget>),
) as z.ZodType<NewAnnotation>;

const names = listOf(text, 'it must be a list of names').optional();
const ids = listOf(text, 'it must be a list of ids').optional();
const filterShape = { annotationNames: names, excludeAnnotationNames: names, identifiers: ids };
const PAGE_SIZE = 'it must be a whole number from 1 to 10000';

const selectionShape: Shape<Omit<AnnotationSelection, 'project'>> = {
  target: target.optional(),
  name: nonEmpty.optional(),
  identifier: nonEmpty.optional(),
  annotatorKind: annotatorKind.optional(),
  startTime: time('startTime'),
  endTime: time('endTime'),
  deleteAll: flag,
};

export const ANNOTATION_OPERATIONS = {
  addAnnotations: writing(
    'POST annotations',
    request<Parameters<AnnotationCalls['addAnnotations']>[0]>({
      project: projectRef,
      annotations: listOf(newAnnotation),
    }),
    dataOf(z.array(text)),
  ),
  listAnnotations: reading(
    'POST annotations/query',
    request<StoreAnnotationQuery>({
      project: projectRef,
      target: target.optional(),
      spanIds: ids,
      traceIds: ids,
      sessionIds: ids,
      ...filterShape,
      order: oneOf(['asc', 'desc']).optional(),
      limit: z.int(PAGE_SIZE).min(1, PAGE_SIZE).max(10_000, PAGE_SIZE).optional(),
      cursor: optionalText,
    }),
    pageOf(annotation),
  ),
  importAnnotations: writing(
    'POST annotations/import',
    request<Parameters<AnnotationCalls['importAnnotations']>[0]>({
      project: projectRef,
      annotations: listOf(importedAnnotation),
    }),
    importCounts,
  ),
  deleteAnnotations: writing(
    'POST annotations/delete',
    request<StoreAnnotationSelection>({ project: projectRef, ...selectionShape }),
    dataOf(count),
  ),
} satisfies OperationsOf<AnnotationCalls>;

const project = optionalText;
type InProject = { project?: string | undefined };
const evaluationRow = request<EvaluationRow>({
  spanId: nonEmpty,
  score: scoreOrNull,
  label: textOrNull,
  explanation: textOrNull,
});

function recordsOrIds<T>(what: string) {
  return listOf(
    z.union([z.string(), z.custom<T>(isObject)], `it must be a ${what} or the id of one`),
    `it must be a list of ${what}s, or of their ids`,
  );
}

/** The options of a provider's annotation store. */
export const ANNOTATION_INPUTS = {
  annotation: request<NewSpanAnnotation & InProject>({
    target: oneOf(['span']).optional(),
    spanId: nonEmpty,
    ...newShape,
    project,
  }),
  traceAnnotation: request<Omit<NewTraceAnnotation, 'target'> & InProject>({ traceId: nonEmpty, ...newShape, project }),
  sessionAnnotation: request<Omit<NewSessionAnnotation, 'target'> & InProject>({
    sessionId: nonEmpty,
    ...newShape,
    project,
  }),
  documentAnnotation: request<Omit<NewDocumentAnnotation, 'target'> & InProject>({
    spanId: nonEmpty,
    documentPosition,
    ...newShape,
    project,
  }),
  annotations: request<Parameters<AnnotationStore['addAnnotations']>[0]>({
    annotations: listOf(newAnnotation),
    project,
  }),
  annotationQuery: request<AnnotationQuery>({ spans: recordsOrIds<SpanRecord>('span'), project, ...filterShape }),
  traceAnnotationQuery: request<TraceAnnotationQuery>({
    traces: recordsOrIds<TraceRecord>('trace'),
    project,
    ...filterShape,
  }),
  sessionAnnotationQuery: request<SessionAnnotationQuery>({
    sessions: recordsOrIds<SessionRecord>('session'),
    project,
    ...filterShape,
  }),
  annotationSelection: request<AnnotationSelection>({ project, ...selectionShape }),
  evaluations: request<Parameters<AnnotationStore['logEvaluations']>[0]>({
    evalName: nonEmpty,
    evaluations: listOf(evaluationRow),
    project,
    annotatorKind: annotatorKind.optional(),
  }),
} as const;
