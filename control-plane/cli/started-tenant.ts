// Owns the second half of every command that starts an operation on a tenant: wait or not, then show tenant and outcome.
import type { Tenant, TenantAndOperation } from '../client.ts';
import type { Cli } from './cli.ts';
import { type Cell, labelsCell, timeCell } from './table.ts';
import { reportEnd, watchOperation } from './watch-operation.ts';

/** @throws CliError when the operation does not succeed, or not in time */
export async function finishStarted(
  cli: Cli,
  { tenant, operation }: TenantAndOperation,
  { wait, timeout }: { wait?: boolean; timeout: number },
): Promise<void> {
  cli.io.farewell = undefined;
  if (wait === false) {
    cli.show({ tenant, operation }, [...tenantFields(tenant), ['operation', operation.id]]);
    cli.note(`Follow it: freehold operations watch ${operation.id}`);
    return;
  }
  const client = await cli.client();
  const ended = await watchOperation(cli, operation, { timeoutMs: timeout });
  const latest = await client.tenants.get(tenant.id);
  cli.show({ tenant: latest, operation: ended }, [...tenantFields(latest), ['operation', ended.id]]);
  reportEnd(cli, ended);
}

export function tenantFields(tenant: Tenant): [string, Cell][] {
  const lanes = Object.entries(tenant.database?.lanes ?? {}).map(([lane, { version }]) => `${lane} ${version}`);
  const fields: [string, Cell][] = [
    ['slug', tenant.slug],
    ['id', tenant.id],
    ['name', tenant.name],
    ['state', tenant.state],
    ['region', tenant.region],
    ['tier', tenant.tier],
    ['plan', tenant.plan],
    ['labels', labelsCell(tenant.labels)],
    ['database', tenant.database?.id],
    ['cluster', tenant.database?.cluster_id],
    ['schema', lanes.join(', ')],
    ['created', timeCell(tenant.created_at)],
  ];
  if (tenant.deleted_at !== null) fields.push(['deleted', timeCell(tenant.deleted_at)]);
  if (tenant.purge_after !== null) fields.push(['purge after', timeCell(tenant.purge_after)]);
  return fields;
}
