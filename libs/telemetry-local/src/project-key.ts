/**
 * The number that stands for a project in the tables, and its public id.   Write path and read path.
 *
 * Both are digests of (tenant, name): no table of projects has to be kept, and a project has the same id after any crash. The number
 * clusters rows and prunes reads; every read compares tenant and name besides, so that equal numbers could never mix projects.
 */
import { createHash } from 'node:crypto';
import type { ProjectRef } from '@cogniverse/foundation/telemetry';

export interface ProjectKey extends ProjectRef {
  /** 63 bits, not negative. */
  readonly key: bigint;
  /** 32 hex digits. */
  readonly id: string;
}

export function projectKey(project: ProjectRef): ProjectKey {
  const digest = createHash('sha256')
    .update(project.tenantId === null ? 'n' : `t${Buffer.byteLength(project.tenantId)}:${project.tenantId}`)
    .update(`/${project.name}`)
    .digest();
  return {
    tenantId: project.tenantId,
    name: project.name,
    key: digest.readBigUInt64BE(0) >> 1n,
    id: digest.toString('hex', 0, 16),
  };
}

/** The number within an id; undefined for what is no id. */
export function keyOfProjectId(id: string): bigint | undefined {
  return /^[0-9a-f]{32}$/.test(id) ? BigInt(`0x${id.slice(0, 16)}`) >> 1n : undefined;
}
