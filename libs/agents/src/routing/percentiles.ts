/**
 * Percentiles by linear interpolation, without sorting all.   Reading path: a copy of a window's latencies -> [percentiles].
 * The arithmetic is numpy's, operation by operation, so that its results are numpy's to the last bit (`numpy.percentile`, method "linear").
 */

/** Ranges up to this length are sorted by insertion: shorter than any way around it. */
const SMALL_RANGE = 12;

/**
 * The percentiles of `values`, of which there is at least one, none of them NaN; puts `values` into another order.
 * `fractions` are 0 to 1, ascending.
 */
export function percentilesOf(values: Float64Array, fractions: readonly number[]): number[] {
  let settled = 0; // everything before is in its place, and not greater than what follows
  return fractions.map((fraction) => {
    const position = (values.length - 1) * fraction;
    const below = Math.floor(position);
    placeNth(values, below, settled);
    settled = below;
    const low = values[below]!;
    const weight = position - below;
    if (weight === 0) return low;
    const high = leastFrom(values, below + 1);
    const difference = high - low;
    // From the nearer end: in exact arithmetic the two are one, in floating point only this one reaches both ends.
    return weight >= 0.5 ? high - difference * (1 - weight) : low + difference * weight;
  });
}

/** Quickselect: puts into place `n` what stands there when `values` is sorted; what is before it is not greater, what is behind not less. */
function placeNth(values: Float64Array, n: number, from: number): void {
  let left = from;
  let right = values.length - 1;
  let rounds = 2 * Math.ceil(Math.log2(values.length + 1));
  while (right - left >= SMALL_RANGE) {
    rounds -= 1;
    if (rounds < 0) {
      values.subarray(left, right + 1).sort(); // an order that pivots never halve
      return;
    }
    const pivot = medianOfThree(values[left]!, values[(left + right) >>> 1]!, values[right]!);
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i += 1;
      while (values[j]! > pivot) j -= 1;
      if (i > j) break;
      const value = values[i]!;
      values[i] = values[j]!;
      values[j] = value;
      i += 1;
      j -= 1;
    }
    if (n <= j) right = j;
    else if (n >= i) left = i;
    else return; // between the two: equal to the pivot
  }
  for (let i = left + 1; i <= right; i += 1) {
    const value = values[i]!;
    let j = i - 1;
    for (; j >= left && values[j]! > value; j -= 1) values[j + 1] = values[j]!;
    values[j + 1] = value;
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

function leastFrom(values: Float64Array, start: number): number {
  let least = values[start]!;
  for (let i = start + 1; i < values.length; i += 1) if (values[i]! < least) least = values[i]!;
  return least;
}
