// Owns the question where the fleet stands: answered from the catalog alone.
import { readFleetStatus } from '../../../catalog/fleet-status.ts';
import { fleetStatusSchema, presentFleetStatus } from '../present/fleet-status.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

export const fleetStatusRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/fleet/status',
      operationId: 'readFleetStatus',
      tag: 'Fleet',
      summary: 'Where every database stands',
      description:
        'Versions by cluster for each lane, against the head; rollouts at work; members in quarantine and why; what the sweeps for drift have found. One query on the catalog and none on a tenant, whatever their number.',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      answers: { 200: { description: 'The state as it is now.', schema: fleetStatusSchema } },
    },
    async (deps, { c }) => c.json(presentFleetStatus(await readFleetStatus(deps.db)), 200),
  ),
];
