/** Compares what a store gives back with what was acknowledged. */
import { isDeepStrictEqual } from 'node:util';
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import { indexOf, spanOf } from './spans.js';

export interface Findings {
  /** Acknowledged, and not there. */
  missing: number[];
  /** There more than once. */
  duplicate: number[];
  /** There, and not as it was sent. */
  altered: number[];
  /** There, and never sent. */
  unknown: number[];
}

export const faultless: Findings = { missing: [], duplicate: [], altered: [], unknown: [] };

/** `sent` holds what may be there, `acknowledged` what must be there: once, and as it was sent. */
export function verify(found: Iterable<OtlpSpan>, acknowledged: Iterable<number>, sent: ReadonlySet<number>): Findings {
  const seen = new Set<number>();
  const findings: Findings = { missing: [], duplicate: [], altered: [], unknown: [] };
  for (const span of found) {
    const index = indexOf(span);
    if (!sent.has(index)) findings.unknown.push(index);
    else if (seen.has(index)) findings.duplicate.push(index);
    else if (!isDeepStrictEqual(span, spanOf(index))) findings.altered.push(index);
    seen.add(index);
  }
  for (const index of acknowledged) if (!seen.has(index)) findings.missing.push(index);
  return findings;
}
