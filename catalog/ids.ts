// Owns the typed ids: '<prefix>_<26 characters>'. A function that takes a TenantId cannot be handed a DatabaseId.
import { z } from 'zod';
import { id26Pattern, newId26 } from '../platform/crockford.ts';

export const idPrefixes = {
  tenant: 'tnt',
  database: 'dbs',
  cluster: 'cls',
  operation: 'opr',
  apiKey: 'key',
  runtimeInstance: 'rti',
  controlPlaneProcess: 'cpp',
  event: 'evt',
  release: 'rel',
  rollout: 'rlt',
} as const;

export type IdKind = keyof typeof idPrefixes;
export type Id<K extends IdKind> = `${(typeof idPrefixes)[K]}_${string}`;
export type TenantId = Id<'tenant'>;
export type DatabaseId = Id<'database'>;
export type ClusterId = Id<'cluster'>;
export type OperationId = Id<'operation'>;
export type ApiKeyId = Id<'apiKey'>;
export type RuntimeInstanceId = Id<'runtimeInstance'>;
export type ControlPlaneProcessId = Id<'controlPlaneProcess'>;
export type EventId = Id<'event'>;
export type ReleaseId = Id<'release'>;
export type RolloutId = Id<'rollout'>;

export function newId<K extends IdKind>(kind: K): Id<K> {
  return `${idPrefixes[kind]}_${newId26()}`;
}

/** Anchored pattern of one kind of id. */
export function idPattern(kind: IdKind): RegExp {
  return new RegExp(`^${idPrefixes[kind]}_${id26Pattern}$`);
}

export function isId<K extends IdKind>(kind: K, text: unknown): text is Id<K> {
  return typeof text === 'string' && idPattern(kind).test(text);
}

/** zod schema of one kind of id; a wrong kind is refused by its prefix (A11). */
export function idSchema<K extends IdKind>(kind: K) {
  return z
    .string()
    .regex(idPattern(kind), `must be a ${kind} id: ${idPrefixes[kind]}_ and 26 characters`)
    .transform((text) => text as Id<K>);
}
