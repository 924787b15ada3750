/** The range of times of a query: one that can hold nothing is a mistake, told instead of answered with nothing.   Read path: provider stores. */
import { InvalidQueryError, parseTime, type TimeInput } from '@cogniverse/foundation/telemetry';

/** Errors: `InvalidQueryError` if the end, which is not included, is not after the start. */
export function checkTimeRange(range: { startTime?: TimeInput | undefined; endTime?: TimeInput | undefined }): void {
  if (range.startTime === undefined || range.endTime === undefined) return;
  if (parseTime(range.endTime, 'endTime') > parseTime(range.startTime, 'startTime')) return;
  const [start, end] = [range.startTime, range.endTime].map((time) => (time instanceof Date ? time.toJSON() : time));
  throw new InvalidQueryError(
    `endTime is ${end}, which is not after startTime ${start}; the range would hold nothing. Give an end after the start.`,
  );
}
