// Owns making an installation look old: sets of roles on the cluster of the warm stock, and tenants with database, operation,
// steps, audit entry and event in the catalog. Rows and roles only, by SQL: databases would cost 8 MB each and change nothing,
// since a claim looks at one of them.
import type { House } from './house.ts';

const setsPerTransaction = 500;

/** @param from how many there are already */
export async function grow({ warm, catalog }: House, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += setsPerTransaction) {
    const until = Math.min(to, at + setsPerTransaction);
    await warm.superuser.script(roleSetsSql(at, until));
  }
  if (to > from) await catalog.script(tenantRowsSql(from, to, warm.id), { timeoutMs: 300_000 });
  await warm.superuser.script('vacuum analyze pg_authid; vacuum analyze pg_auth_members').catch(() => {});
  await catalog.script('analyze');
}

function roleSetsSql(from: number, to: number): string {
  return `do $$ declare name text; suffix text; begin
    for n in ${from} .. ${to - 1} loop
      name := 't_0' || lpad(n::text, 25, '0');
      execute format('create role %I; create role %I', name, name || '_own');
      foreach suffix in array array['_mig', '_app_a', '_app_b', '_ro'] loop
        execute format('create role %I login connection limit 20; grant %I, freehold_tenants to %1$I', name || suffix, name);
        execute format('alter role %I set statement_timeout = 15000', name || suffix);
      end loop;
      execute format('grant %I to %I', name || '_own', name || '_mig');
    end loop;
  end $$`;
}

function tenantRowsSql(from: number, to: number, clusterId: string): string {
  const id = (prefix: string) => `'${prefix}_0' || lpad(n::text, 25, '0')`;
  const rows = `generate_series(${from}, ${to - 1}) as n`;
  return `begin; set local statement_timeout = 0;
    insert into tenants (id, slug, name, region, tier, plan_id, state)
      select ${id('tnt')}, 'old-' || n, 'old', 'eu', 'shared', 'team', 'active' from ${rows};
    insert into databases (id, cluster_id, state, tenant_id, claimed_at)
      select ${id('dbs')}, '${clusterId}', 'claimed', ${id('tnt')}, now() from ${rows};
    insert into database_secrets (database_id, login, sealed)
      select ${id('dbs')}, login, repeat('x', 120) from ${rows}, unnest(array['mig', 'app_a', 'app_b', 'ro']) as login;
    insert into operations (id, kind, state, tenant_id, database_id, actor, finished_at)
      select ${id('opr')}, 'provision-tenant', 'succeeded', ${id('tnt')}, ${id('dbs')}, 'bench', now() from ${rows};
    insert into operation_steps (operation_id, position, name, state, fence, finished_at)
      select ${id('opr')}, position, 'step', 'done', 1, now() from ${rows}, generate_series(0, 2) as position;
    insert into audit_entries (actor, action, target_type, target_id) select 'bench', 'tenant.create', 'tenant', ${id('tnt')} from ${rows};
    insert into events (id, type, tenant_id, payload) select 'evt_old' || n, 'tenant.created.v1', ${id('tnt')}, '{}' from ${rows};
    update clusters set databases_used = databases_used + ${to - from} where id = '${clusterId}';
    commit`;
}
