// Owns who asks: every change of the catalog carries its caller into the audit entries.
import type { AdminRole } from './roles.ts';

export type Caller = {
  /** An API key id, or 'system:<name>' for a reconciler or an operation. */
  readonly actor: string;
  readonly role: AdminRole | 'system';
  readonly requestId?: string;
};

/** The caller of what nobody asked for by hand. */
export function systemCaller(name: string): Caller {
  return { actor: `system:${name}`, role: 'system' };
}
