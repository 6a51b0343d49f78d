// Owns the tenants of a bench: made by the product's own operations, a few at a time.
import path from 'node:path';
import { systemCaller } from '../../../catalog/caller.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { Catalog } from '../../../catalog/open-catalog.ts';
import { readLane } from '../../../control-plane/migration-files/read-folder.ts';
import { connectClusters } from '../../../control-plane/operations/cluster-connections.ts';
import { runOperation } from '../../../control-plane/operations/engine/run-operation.ts';
import { startProvisionTenant } from '../../../control-plane/operations/start/start-provision-tenant.ts';
import type { Log } from '../../../platform/log.ts';
import type { Sealer } from '../../../platform/sealing.ts';

const root = path.resolve(import.meta.dirname, '../../..');
/** More do not make it faster: CREATE DATABASE of one server copies one template at a time. */
const atOnce = 4;

export async function makeTenants(catalog: Catalog, sealer: Sealer, log: Log, count: number): Promise<TenantId[]> {
  const lanes = [
    await readLane('core', path.join(root, 'migrations/core')),
    await readLane('tenant', path.join(root, 'migrations/tenant')),
  ];
  const connections = connectClusters({ catalog: catalog.db, sealer, heads: async () => lanes, log });
  const deps = { catalog: catalog.db, ...connections, sealer, log, holder: 'bench', wake: async () => {} };
  const tenants: TenantId[] = [];
  let next = 0;
  const maker = async () => {
    for (let n = next++; n < count; n = next++) {
      const input = {
        slug: `bench-${n}-t`,
        name: `Bench ${n}`,
        region: 'here',
        tier: 'shared' as const,
        planId: 'team',
        labels: {},
      };
      const { tenant, operation } = await startProvisionTenant(catalog.db, input, systemCaller('bench'));
      const { outcome } = await runOperation(deps, operation.id);
      if (outcome !== 'succeeded') throw new Error(`tenant ${n} could not be made: ${outcome}`);
      tenants.push(tenant.id);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, maker));
  await connections.close();
  return tenants;
}
