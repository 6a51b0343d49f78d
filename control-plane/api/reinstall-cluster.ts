// Owns the installation of a registered cluster again: the upgrade of its functions and template, and the mending of its roles.
// The provisioner keeps its password, so nobody who is connected notices.
import { z } from '@hono/zod-openapi';
import type { Caller } from '../../catalog/caller.ts';
import { type ClusterRow, findClusterServer, provisionerContext, recordInstallation } from '../../catalog/clusters.ts';
import { catalogFault } from '../../catalog/errors.ts';
import type { ClusterId } from '../../catalog/ids.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import type { AdminApiDeps } from './deps.ts';
import { holdServer } from './hold-server.ts';
import { caSchema, superuserAddress, superuserSchema, tlsSchema } from './superuser-input.ts';

export const clusterInstallSchema = z
  .strictObject({
    superuser: superuserSchema.openapi({
      description: 'Used once, not stored. Host and port are those of the registration.',
    }),
    tls: tlsSchema.optional().openapi({ description: 'Default: what the URL says, else as registered.' }),
    ca: caSchema.optional(),
  })
  .openapi('ClusterInstall');

export type ClusterInstallInput = z.output<typeof clusterInstallSchema>;

/** @throws Fault cluster_not_found | cluster_unsuitable | cluster_unreachable | operation_in_progress */
export async function reinstallCluster(
  deps: AdminApiDeps,
  id: ClusterId,
  input: ClusterInstallInput,
  caller: Caller,
): Promise<{ row: ClusterRow; problems: string[] }> {
  return await deps.db.transaction().execute(async (tx) => {
    const server = await findClusterServer(tx, id);
    const given = superuserAddress(input);
    // Another server of this installation bears the same marks: it would get this one's password.
    if (given.host.toLowerCase() !== server.host.toLowerCase() || given.port !== server.port) throw otherServer();
    const address: PostgresAddress = { ...given, tls: given.tls ?? server.tls };
    if (address.ca === undefined && server.ca !== null) address.ca = server.ca;
    await holdServer(tx, server);
    const installed = await deps.installCluster({
      address,
      connectionBudget: server.connection_budget,
      provisionerPassword: deps.sealer.open(server.provisioner_sealed, provisionerContext(id)),
    });
    return { row: await recordInstallation(tx, id, installed, caller), problems: installed.problems };
  });
}

function otherServer() {
  const problems = ['The URL names another host or port than the one the cluster is registered with.'];
  return catalogFault('cluster_unsuitable', `This is not the server of the cluster. ${problems[0]}`, {
    extra: { problems },
  });
}
