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
    if (!(error instanceof PostgresError) || error.sqlstate !== 'ZF001') throw error;
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
