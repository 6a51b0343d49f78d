// Owns the question who may call what: the check before a handler, and the table route × role that is generated from the routes.

import type { Caller } from '../../catalog/caller.ts';
import { catalogFault } from '../../catalog/errors.ts';
import { type AdminRole, adminRoles } from '../../catalog/roles.ts';
import { bearerToken } from '../../platform/http/bearer.ts';
import type { AdminApiDeps } from './deps.ts';
import type { Access, AdminContext, AdminRoute } from './route.ts';

/** @throws Fault unauthenticated | api_key_invalid | role_forbidden. Undefined for a public route, whatever was sent. */
export async function authorize(deps: AdminApiDeps, access: Access, c: AdminContext): Promise<Caller | undefined> {
  if (access === 'public') return undefined;
  const key = await deps.apiKeys.admit(bearerToken(c.req.header('authorization')));
  if (!access.includes(key.role)) {
    throw catalogFault('role_forbidden', `The role ${key.role} may not do this.`, {
      extra: { role: key.role, allowed: access },
    });
  }
  return { actor: key.id, role: key.role, requestId: c.get('requestId') };
}

/** @throws TypeError for a route that says nothing, or nonsense, about who may call it: the process does not start. */
export function checkAccessRule({ spec }: AdminRoute): void {
  const { access } = spec;
  const name = `${spec.method.toUpperCase()} ${spec.path}`;
  if (access === 'public') return;
  if (!Array.isArray(access) || access.length === 0) throw new TypeError(`${name} has no rule of access`);
  for (const role of access)
    if (!adminRoles.includes(role)) throw new TypeError(`${name} admits an unknown role: ${role}`);
  if (!access.includes('owner')) throw new TypeError(`${name} keeps the owner out, who may do everything`);
  if (spec.method !== 'get' && spec.audit === undefined && spec.unaudited === undefined) {
    throw new TypeError(`${name} changes something and names no audit action`);
  }
}

export type AccessRow = { method: string; path: string; operationId: string; roles: readonly AdminRole[] | 'public' };

/** The table route × role, sorted by path; written into the documentation and walked by test A01. */
export function describeAccess(routes: readonly AdminRoute[]): AccessRow[] {
  return routes
    .map(({ spec }) => ({
      method: spec.method.toUpperCase(),
      path: spec.path,
      operationId: spec.operationId,
      roles: spec.access,
    }))
    .sort((a, b) => a.path.localeCompare(b.path) || a.method.localeCompare(b.method));
}
