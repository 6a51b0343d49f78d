// Owns ending all access to a database: closed to new sessions first, then the open ones are ended until none is left.
// PostgreSQL counts a session until its backend has gone, so the last look comes after the last termination.
import { setTimeout as sleep } from 'node:timers/promises';
import { catalogFault } from '../../../catalog/errors.ts';
import type { StepContext, WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf, hasDatabase } from './database-of.ts';

/** A backend reacts within a millisecond unless it is in a system call; after these the step fails and is tried again. */
const looksMax = 40;
const lookEveryMs = 25;

export const fenceDatabase: WorldStep = {
  name: 'fence-database',
  applies: hasDatabase,
  async probe(context) {
    const found = await adminOf(context).probeDatabase(databaseIdOf(context));
    // Closed is not proof: sessions from before may live on. Closing and ending again does no harm.
    return found === 'absent' || found === 'invalid' ? 'done' : 'not-done';
  },
  run: endSessions,
  // Nothing: suspending, deleting and dropping only go forward.
  async undo() {},
};

/** @throws Fault sessions_left */
export async function endSessions(context: StepContext): Promise<void> {
  const admin = adminOf(context);
  for (let look = 0; look < looksMax; look++) {
    const { left } = await admin.fenceDatabase(databaseIdOf(context));
    if (left === 0) return;
    await sleep(lookEveryMs, undefined, { signal: context.signal });
  }
  throw catalogFault('sessions_left', 'The database is closed, but sessions from before have not ended yet.');
}
