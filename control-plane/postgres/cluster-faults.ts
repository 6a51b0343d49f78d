// Owns the faults of acts on a cluster: what is not ours is left alone, what is half gone can only be dropped.
import { catalogFault } from '../../catalog/errors.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { PostgresError } from '../../platform/postgres/errors.ts';

/** The codes that sql/provisioning.sql raises, as faults. */
export async function asFaults<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof PostgresError)) throw error;
    if (error.sqlstate === '42883') throw outdated(error);
    if (error.sqlstate !== 'ZF001') throw error;
    throw catalogFault(
      'not_our_object',
      'The cluster holds an object of this name that is not ours. It was left alone; run fsck.',
      {
        internal: error.message,
        cause: error,
      },
    );
  }
}

function outdated(cause: PostgresError) {
  return catalogFault(
    'cluster_outdated',
    'The provisioning functions of the cluster are of an older Freehold. Run `freehold clusters upgrade <cluster>` first.',
    { internal: cause.message, cause },
  );
}

/** What keeps a database from being copied, as a fault that says what to do; every other error as it is. */
export function copyFault(error: unknown): unknown {
  if (!(error instanceof PostgresError)) return error;
  if (error.sqlstate === '55006') return sourceInUse('Sessions are in the database of the tenant', error);
  // Ours: a database that nobody may be kept waiting for so long.
  if (error.sqlstate === '57014')
    return sourceInUse('The copy takes longer than the requests of an active tenant may wait', error);
  return error;
}

export function sourceInUse(what: string, cause?: unknown) {
  const text = `${what}. Suspend the tenant for the dry run, or try again when nobody uses it.`;
  return catalogFault('clone_source_in_use', text, cause === undefined ? {} : { cause });
}

export function notOurs(id: DatabaseId, kind: string) {
  return catalogFault(
    'not_our_object',
    `The cluster holds a ${kind} of this name that is not ours. It was left alone; run fsck.`,
    {
      internal: `${kind} ${namesOf(id).database}`,
    },
  );
}

export function notWhole(id: DatabaseId) {
  return catalogFault('wrong_state', 'The database was half dropped; it can only be dropped.', {
    internal: namesOf(id).database,
    extra: { state: 'invalid', possible: ['drop'] },
  });
}
