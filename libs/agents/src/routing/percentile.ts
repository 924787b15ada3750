/**
 * Percentiles by linear interpolation.   Reading path: a window's latencies, sorted -> [percentile].
 * The arithmetic is numpy's, operation by operation, so that its results are numpy's to the last bit (`numpy.percentile`, method "linear").
 */

/** The percentile of the first `count` (at least 1) values of `sorted`, ascending. `fraction` is 0 to 1. */
export function percentileOfSorted(sorted: Float64Array, count: number, fraction: number): number {
  const position = (count - 1) * fraction;
  const below = Math.floor(position);
  const low = sorted[below]!;
  if (below === count - 1) return low;
  const high = sorted[below + 1]!;
  const weight = position - below;
  const difference = high - low;
  // From the nearer end: in exact arithmetic the two are one, in floating point only this one reaches both ends.
  return weight >= 0.5 ? high - difference * (1 - weight) : low + difference * weight;
}
