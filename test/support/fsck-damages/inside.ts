// Owns one damage for every finding about the inside of a database.
import type { FsckHouse } from '../fsck-house.ts';
import { type Damage, inside } from './damage.ts';

export const damagesToInside = {
  // A policy that fails whoever reads: the look itself breaks.
  database_unreadable: (house) =>
    inside(
      house,
      house.warm,
      '',
      'alter table freehold.identity enable row level security; create policy broken on freehold.identity using (1 / (select 0) = 1)',
      'drop policy broken on freehold.identity; alter table freehold.identity disable row level security',
    ),
  identity_missing: (house) =>
    inside(
      house,
      house.warm,
      '',
      'delete from freehold.identity',
      `insert into freehold.identity (database_id) values ('${house.warm.id}')`,
    ),
  identity_wrong_database: (house) =>
    inside(
      house,
      house.alpha,
      '',
      `update freehold.identity set database_id = '${house.beta.id}'`,
      `update freehold.identity set database_id = '${house.alpha.id}'`,
    ),
  identity_wrong_tenant: (house) =>
    inside(
      house,
      house.alpha,
      '',
      `update freehold.identity set tenant_id = '${house.beta.tenant_id}'`,
      `update freehold.identity set tenant_id = '${house.alpha.tenant_id}'`,
    ),
  lanes_differ: (house) =>
    inside(
      house,
      house.alpha,
      'lane tenant',
      `update freehold.ledger set hash = reverse(hash) where name like '%invoices'`,
      `update freehold.ledger set hash = reverse(hash) where name like '%invoices'`,
    ),
  object_wrong_owner: (house) => {
    const { user } = house.clusterOf(house.alpha).server.address;
    return inside(
      house,
      house.alpha,
      'public.project_progress',
      `alter view public.project_progress owner to ${user}`,
      `alter view public.project_progress owner to ${house.alpha.name}_own`,
    );
  },
  object_public: (house) =>
    inside(
      house,
      house.alpha,
      'public.members',
      'grant select on public.members to public',
      'revoke select on public.members from public',
    ),
  object_grant_extra: (house) => {
    const role = `${house.alpha.name}_ro`;
    return inside(
      house,
      house.alpha,
      'public.members',
      `grant delete on public.members to ${role}`,
      `revoke delete on public.members from ${role}`,
    );
  },
  object_grant_missing: (house) => {
    const role = `${house.alpha.name}_app_b`;
    return inside(
      house,
      house.alpha,
      'public.members',
      `revoke update on public.members from ${role}`,
      `grant update on public.members to ${role}`,
    );
  },
  default_rights: (house) => {
    const own = `${house.alpha.name}_own`;
    const change = (what: string) =>
      `alter default privileges for role ${own} in schema public ${what} ${house.alpha.name}_ro`;
    return inside(
      house,
      house.alpha,
      'default privileges',
      change('revoke select on tables from'),
      change('grant select on tables to'),
    );
  },
  hardening_missing: (house) =>
    inside(
      house,
      house.alpha,
      'pg_notify(text,text)',
      'grant execute on function pg_notify to public',
      'revoke execute on function pg_notify from public',
    ),
} as const satisfies Record<string, (house: FsckHouse) => Damage>;
