// Owns the question a DBA asks of a migrated database: one row, one value, true. As the read-only login, in a transaction that
// cannot write, in a session of its own.
import { catalogFault } from '../../catalog/errors.ts';
import { type ClusterAddress, openClusterSession } from './cluster-slots.ts';

/** @throws Fault migration_probe_failed */
export async function probeDatabase(address: ClusterAddress, probe: string, timeoutMs: number): Promise<void> {
  const session = await openClusterSession(address, {
    applicationName: 'freehold-probe',
    parameters: { statement_timeout: String(timeoutMs), default_transaction_read_only: 'on' },
  });
  try {
    await session.begin({ readOnly: true });
    const { rows } = await session.queryRaw(probe, [], { timeoutMs: timeoutMs + 5_000, bytesMax: 65_536 });
    if (rows.length === 1 && rows[0]?.length === 1 && rows[0][0] === 't') return;
    throw probeFailed(`it returned ${rows.length === 1 ? JSON.stringify(rows[0]) : `${rows.length} rows`}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'migration_probe_failed') throw error;
    throw probeFailed(error instanceof Error ? error.message : String(error), error);
  } finally {
    await session.close();
  }
}

function probeFailed(what: string, cause?: unknown) {
  return catalogFault(
    'migration_probe_failed',
    `The probe does not hold: ${what.slice(0, 300)}. The migration is in place.`,
    { cause },
  );
}
