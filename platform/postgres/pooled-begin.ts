// Owns the message that begins a transaction behind a pooler in transaction mode. The backend may be a new one, or have been left by
// anybody of the same login in any state, also by one who ended his transaction himself. So the message brings it to its first state,
// sets what the session promises for as long as the transaction lasts, and asks whether it is the right one; in one round trip.
import { resetStatements } from './session-reset.ts';
import type { BeginOptions, SessionSettings } from './session-types.ts';
import { isolationText, setLocal } from './statement-job.ts';

/** @returns checkAt: how many statements stand before the check */
export function pooledBegin(
  { isolation = 'read committed', readOnly = false, deferrable = false, settings = {} }: BeginOptions,
  { parameters, applicationName, advisoryLocks = true }: SessionSettings,
  check: string,
): { text: string; checkAt: number } {
  const statements = [
    // Said in full, for the defaults of the backend are not to be trusted before they are reset. And BEGIN stands first, for nothing
    // that takes a snapshot may stand before it.
    `BEGIN ISOLATION LEVEL ${isolationText[isolation]}, READ ${readOnly ? 'ONLY' : 'WRITE'}, ${deferrable ? '' : 'NOT '}DEFERRABLE`,
    ...resetStatements(advisoryLocks),
    'DEALLOCATE ALL', // nothing of ours is prepared by name, so these are somebody's
    ...setLocal({ ...parameters, application_name: applicationName, ...settings }),
  ];
  return { text: [...statements, check].join(';'), checkAt: statements.length };
}
