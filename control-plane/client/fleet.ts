// Owns what a client asks of the fleet as a whole: where it stands, and the streams that look into every database.
import type { z } from '@hono/zod-openapi';
import type { JsonClient } from '../../platform/http/json-client.ts';
import type { FleetQueryLine } from '../api/present/fleet-lines.ts';
import type { FleetStatusView } from '../api/present/fleet-status.ts';
import type { fleetQuerySchema } from '../api/routes/fleet-query.ts';
import type { Get } from './pages.ts';

export type { FleetQueryLine, FleetStatusView };

export type FleetQuery = z.input<typeof fleetQuerySchema>;
export type FleetSelection = NonNullable<FleetQuery['selection']>;

export function fleetOf(http: JsonClient, get: Get) {
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
  };
}

export class CutStreamError extends Error {
  override readonly name = 'CutStreamError';
}
