/** The tenants of the demo: who they are, which speeches they own, and how much they ask. */

export interface DemoTenant {
  readonly id: string;
  /** Speeches held in these years, both included, are this tenant's documents; no speech has two owners. */
  readonly firstYear: number;
  readonly lastYear: number;
  /** Conversations of this tenant's users; each asks several questions. */
  readonly sessions: number;
  /** Conversations at a time. */
  readonly concurrency: number;
  /** Of a thousand questions, how many its users get wrong: an unclosed quotation, nothing but stop words, a document that is not theirs, an oversized text. */
  readonly mistakesPerMille: number;
  /** Which transport its spans take to the server. */
  readonly transport: 'http' | 'grpc';
}

export const DEMO_TENANTS: readonly DemoTenant[] = [
  { id: 'acme', firstYear: 1865, lastYear: 1932, sessions: 72, concurrency: 4, mistakesPerMille: 0, transport: 'http' },
  {
    id: 'globex',
    firstYear: 1933,
    lastYear: 2021,
    sessions: 40,
    concurrency: 2,
    mistakesPerMille: 90,
    transport: 'http',
  },
  {
    id: 'initech',
    firstYear: 1790,
    lastYear: 1864,
    sessions: 26,
    concurrency: 1,
    mistakesPerMille: 20,
    transport: 'grpc',
  },
];

export function demoTenant(id: string): DemoTenant | undefined {
  return DEMO_TENANTS.find((tenant) => tenant.id === id);
}
