// Owns the registration of a cluster: probe and install as superuser, then one row with the sealed provisioner credential. Two
// registrations of one server at once are kept apart, for the second installation would replace the password of the first.
import { z } from '@hono/zod-openapi';
import type { Caller } from '../../catalog/caller.ts';
import { type ClusterRow, insertCluster, provisionerContext, refuseKnownCluster } from '../../catalog/clusters.ts';
import { writeEvent } from '../../catalog/events.ts';
import { newId } from '../../catalog/ids.ts';
import { readPoolerUrl } from '../../catalog/pooler-url.ts';
import type { AdminApiDeps } from './deps.ts';
import { holdServer } from './hold-server.ts';
import { regionSchema } from './input-shapes.ts';
import { caSchema, superuserAddress, superuserSchema, tlsSchema } from './superuser-input.ts';

export const clusterNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,62}$/, 'must be 2 to 63 characters: a-z, 0-9 and hyphens, beginning with a letter');

export const clusterLimits = {
  capacity: z.int().min(0).max(100_000).openapi({ description: 'Databases it may hold, warm ones included.' }),
  connection_budget: z.int().min(1).max(100_000).openapi({
    description: 'Sessions all processes of Freehold together may have open there: runtimes, workers and fleet.',
  }),
  warm_min: z.int().min(0).max(1_000),
  warm_max: z.int().min(0).max(1_000),
};

export const poolerUrlSchema = z
  .string()
  .max(300)
  .refine(isPoolerUrl, 'must be postgres://host:port, with sslmode and no login or database')
  .openapi({
    example: 'postgres://pooler1.internal:6432?sslmode=require',
    description: 'A PgBouncer in transaction mode in front of the server: runtimes reach their tenants by it.',
  });

function isPoolerUrl(text: string): boolean {
  try {
    readPoolerUrl(text);
    return true;
  } catch {
    return false;
  }
}

export const newClusterSchema = z
  .strictObject({
    name: clusterNameSchema,
    region: regionSchema,
    tier: z.enum(['shared', 'dedicated']).default('shared'),
    superuser: superuserSchema.openapi({
      description:
        'Used once, not stored. Runtimes reach the server at the same host and port, unless `pooler_url` says otherwise.',
    }),
    tls: tlsSchema.optional().openapi({ description: 'Default: what the URL says, else disable.' }),
    ca: caSchema.optional(),
    pooler_url: poolerUrlSchema.nullable().default(null),
    ...clusterLimits,
    warm_min: clusterLimits.warm_min.default(2),
    warm_max: clusterLimits.warm_max.default(8),
  })
  .refine((cluster) => cluster.warm_min <= cluster.warm_max, {
    message: 'must not be below warm_min',
    path: ['warm_max'],
  })
  .openapi('NewCluster');

export type NewClusterInput = z.output<typeof newClusterSchema>;

export async function registerCluster(
  deps: AdminApiDeps,
  input: NewClusterInput,
  caller: Caller,
): Promise<{ row: ClusterRow; problems: string[] }> {
  const address = superuserAddress(input);
  await refuseKnownCluster(deps.db, { name: input.name, host: address.host, port: address.port });
  return await deps.db.transaction().execute(async (tx) => {
    await holdServer(tx, address);
    const installed = await deps.installCluster({ address, connectionBudget: input.connection_budget });
    const id = newId('cluster');
    const row = await insertCluster(
      tx,
      {
        id,
        name: input.name,
        region: input.region,
        tier: input.tier,
        host: address.host,
        port: address.port,
        tls: address.tls ?? 'disable',
        ca: address.ca ?? null,
        poolerUrl: input.pooler_url,
        provisionerSealed: deps.sealer.seal(installed.provisionerPassword, provisionerContext(id)),
        serverVersionNum: installed.serverVersionNum,
        capabilities: installed.capabilities,
        capacity: input.capacity,
        connectionBudget: input.connection_budget,
        warmMin: input.warm_min,
        warmMax: input.warm_max,
      },
      caller,
    );
    const { name, region, tier } = row;
    await writeEvent(tx, { type: 'cluster.registered.v1', payload: { cluster_id: id, name, region, tier } });
    return { row, problems: installed.problems };
  });
}
