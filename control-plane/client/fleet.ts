// Owns what a client asks of the fleet as a whole: where it stands, and the streams that look into every database.
import type { z } from '@hono/zod-openapi';
import type { JsonClient } from '../../platform/http/json-client.ts';
import type { FleetDriftLine, SchemaCheckView, SchemaDifferenceView } from '../api/present/drift.ts';
import type { DryRunLineView } from '../api/present/dry-run.ts';
import type { FleetQueryLine } from '../api/present/fleet-lines.ts';
import type { FleetStatusView } from '../api/present/fleet-status.ts';
import type { driftAdoptSchema, driftSweepSchema } from '../api/routes/fleet-drift.ts';
import type { dryRunSchema } from '../api/routes/fleet-dry-runs.ts';
import type { fleetQuerySchema } from '../api/routes/fleet-query.ts';
import { type Change, type Get, listOf } from './pages.ts';

export type { DryRunLineView, FleetDriftLine, FleetQueryLine, FleetStatusView, SchemaCheckView, SchemaDifferenceView };

export type FleetQuery = z.input<typeof fleetQuerySchema>;
export type DryRun = z.input<typeof dryRunSchema>;
export type DriftSweep = z.input<typeof driftSweepSchema>;
export type DriftAdoption = z.input<typeof driftAdoptSchema>;
export type FleetSelection = NonNullable<FleetQuery['selection']>;

export function fleetOf(http: JsonClient, get: Get, change: Change) {
  /** @throws CutStreamError where the last line is missing: what came is not the whole */
  async function* whole<T extends { type: string }>(path: string, body: unknown, signal?: AbortSignal) {
    let ended = false;
    for await (const line of http.lines<T>({ method: 'POST', path, body, signal })) {
      if (line.type === 'broken') throw new CutStreamError((line as unknown as { message: string }).message);
      ended = line.type === 'summary';
      yield line;
    }
    if (!ended) throw new CutStreamError('The answer ended before its summary; what came is not the whole.');
  }
  return {
    status: () => get<FleetStatusView>('/v1/fleet/status'),
    /** Tenant by tenant as they answer. */
    query: (query: FleetQuery, signal?: AbortSignal) => whole<FleetQueryLine>('/v1/fleet/query', query, signal),
    /** Version by version, file by file. */
    dryRun: (wanted: DryRun, signal?: AbortSignal) => whole<DryRunLineView>('/v1/fleet/dry-runs', wanted, signal),
    /** Looks, database by database. */
    sweepDrift: (sweep: DriftSweep, signal?: AbortSignal) => whole<FleetDriftLine>('/v1/fleet/drift', sweep, signal),
    /** What the last looks have found. */
    drift: listOf(get)<SchemaCheckView, { drifted?: boolean }>('/v1/fleet/drift'),
    adoptDrift: async (adoption: DriftAdoption) =>
      (await change<{ data: { database_id: string; slug: string }[] }>('POST', '/v1/fleet/drift/adopt', adoption)).data,
    repairDrift: (sweep: DriftSweep, signal?: AbortSignal) =>
      whole<FleetDriftLine>('/v1/fleet/drift/repair', sweep, signal),
  };
}

export class CutStreamError extends Error {
  override readonly name = 'CutStreamError';
}
