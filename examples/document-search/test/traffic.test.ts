/** What the tenants ask is the same in every run, and goes wrong where it is meant to. */
import { describe, expect, it } from 'vitest';
import { Collection } from '../dist/collection.js';
import { passagesOf } from '../dist/passages.js';
import { sotuSpeeches } from '../dist/sotu-speeches.js';
import { ownerOf, TraceOwners } from '../dist/tenant-audit.js';
import { DEMO_TENANTS } from '../dist/tenants.js';
import { conversationsOf } from '../dist/traffic.js';

const collection = new Collection(passagesOf({ firstYear: 1861, lastYear: 1864 }, sotuSpeeches()));

describe('the traffic', () => {
  it('is the same every time', () => {
    for (const tenant of DEMO_TENANTS) {
      expect(conversationsOf(tenant, collection, 'foreign')).toEqual(conversationsOf(tenant, collection, 'foreign'));
    }
  });

  it('differs between tenants in load, and no speech belongs to two of them', () => {
    const sessions = DEMO_TENANTS.map((tenant) => tenant.sessions);
    expect(new Set(sessions).size).toBe(DEMO_TENANTS.length);
    const byYear = [...DEMO_TENANTS].sort((a, b) => a.firstYear - b.firstYear);
    for (const [index, tenant] of byYear.slice(1).entries())
      expect(tenant.firstYear).toBeGreaterThan(byYear[index]!.lastYear);
  });

  it('has mistakes of every kind where a tenant makes some, and none where it makes none', () => {
    const globex = DEMO_TENANTS.find(({ id }) => id === 'globex')!;
    const kinds = (mistakesPerMille: number) => {
      const questions = conversationsOf({ ...globex, mistakesPerMille }, collection, 'foreign').flatMap(
        (conversation) => conversation.questions,
      );
      return {
        unclosed: questions.some(
          (question) => question.kind === 'search' && (question.query.split('"').length - 1) % 2 === 1,
        ),
        stopWords: questions.some(
          (question) => question.kind === 'search' && question.query === 'what should we do about it',
        ),
        foreign: questions.some((question) => question.kind === 'document' && question.documentId === 'foreign'),
        oversized: questions.some((question) => question.kind === 'search' && question.query.length > 32 * 1024),
      };
    };
    expect(kinds(90)).toEqual({ unclosed: true, stopWords: true, foreign: true, oversized: true });
    expect(kinds(0)).toEqual({ unclosed: false, stopWords: false, foreign: false, oversized: false });
  });
});

describe('the audit of tenants', () => {
  it('reads from path, session and attribute whose a span is', () => {
    const attributes = { 'url.path': '/tenants/acme/search', 'tenant.id': 'globex' };
    expect(ownerOf({ attributes, sessionId: 'initech-session-4' })).toEqual([
      { tenant: 'acme', by: 'url.path' },
      { tenant: 'initech', by: 'session.id' },
      { tenant: 'globex', by: 'tenant.id' },
    ]);
    expect(ownerOf({ attributes: {}, sessionId: undefined })).toEqual([]);
  });

  it('sees a trace in two tenants’ projects', () => {
    const owners = new TraceOwners();
    expect(owners.note('t1', 'acme')).toEqual([]);
    expect(owners.note('t1', 'acme')).toEqual([{ tenant: 'acme', by: 'its trace' }]);
    expect(owners.note('t1', 'globex')).toEqual([{ tenant: 'acme', by: 'its trace' }]);
  });
});
