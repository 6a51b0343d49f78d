// Owns the pg_hba.conf of a server that is ours: the second lock between tenants, static for all of them (D01). A tenant
// login reaches the database whose name is a role it belongs to, and no other, whatever rights were granted by mistake.
import { tenantsRole } from './cluster-names.ts';

export type TenantHbaOptions = {
  /** Where runtimes and the control plane connect from, in CIDR form. */
  networks: readonly string[];
  /** `hostssl` where the server has a certificate. */
  connection?: 'host' | 'hostssl';
};

/** The lines in their order: the first that fits decides. Roles that do not exist yet match nobody. */
export function tenantHba({ networks, connection = 'host' }: TenantHbaOptions): string {
  for (const network of networks) {
    if (!/^[0-9a-f.:]+\/\d{1,3}$/i.test(network)) throw new TypeError(`not a network in CIDR form: ${network}`);
  }
  const lines = (database: string, user: string) =>
    networks.map((network) => `${connection} ${database} ${user} ${network} scram-sha-256`);
  return [
    '# A tenant login reaches the database named like a role it is a member of, and nothing else.',
    ...lines('samerole', `+${tenantsRole}`),
    `local all +${tenantsRole} reject`,
    `host all +${tenantsRole} all reject`,
    '# Everybody else: the provisioner, the control plane, administrators.',
    ...lines('all', 'all'),
    '',
  ].join('\n');
}
