-- The fleet: releases of a lane, rollouts over many databases, what is known of the schema of each.
-- Up Migration

-- An immutable snapshot of a lane: a rollout never depends on what a disk holds.
create table releases (
  id text primary key check (id ~ '^rel_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  lane text not null check (lane ~ '^[a-z][a-z0-9-]{0,62}$'),
  name text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
  -- The numeric prefix of the last file, and the hash over all names and hashes.
  version text not null check (version ~ '^[0-9]{1,20}$'),
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  -- A contract release takes away what older applications use: no tenant may stand below this version when it goes out.
  contract_requires text check (contract_requires ~ '^[0-9]{1,20}$'),
  -- The schema versions on which the application of this release runs; null is open.
  app_min text check (app_min ~ '^[0-9]{1,20}$'),
  app_max text check (app_max ~ '^[0-9]{1,20}$'),
  notes text not null default '',
  -- Findings of the linter when it was made, waived ones with their reason.
  lint jsonb not null default '[]',
  created_by text not null,
  created_at timestamptz not null default now(),
  unique (lane, name)
);
create unique index releases_by_content on releases (lane, hash);

create table release_files (
  release_id text not null references releases,
  position integer not null check (position >= 0),
  name text not null check (name ~ '^[0-9]'),
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  -- { "transaction": true, "statements": [...] }; down null: not reversible; program: { "language", "source" }.
  up jsonb not null,
  down jsonb,
  program jsonb,
  contract_requires text check (contract_requires ~ '^[0-9]{1,20}$'),
  primary key (release_id, position),
  unique (release_id, name)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% rows are never changed', tg_table_name using errcode = 'ZF020';
end $$;
create trigger releases_immutable before update or delete on releases for each row execute function refuse_change();
create trigger release_files_immutable before update or delete on release_files for each row execute function refuse_change();

-- What a new database gets. Moved by a rollout over the whole fleet once its first wave has passed.
create table lane_heads (
  lane text primary key,
  release_id text not null references releases,
  moved_by text not null,
  moved_at timestamptz not null default now()
);

create table target_groups (
  name text primary key check (name ~ '^[a-z][a-z0-9-]{1,62}$'),
  description text not null default '',
  -- A selection (catalog/targets.ts): labels, plans, regions, clusters, tiers, slugs, filter.
  selection jsonb not null,
  -- Order in which groups become waves.
  position integer not null default 0,
  -- { "timezone", "days": [0-6], "from": "HH:MM", "to": "HH:MM" }: when its tenants may be touched.
  maintenance_window jsonb,
  -- Rollouts that touch it need a second person.
  approval boolean not null default false,
  version integer not null default 1,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table rollouts (
  id text primary key check (id ~ '^rlt_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  kind text not null check (kind in ('migrate', 'rollback', 'exec')),
  lane text not null,
  -- Where the members end; null for exec.
  release_id text references releases,
  -- The one-off of an exec.
  statement text,
  state text not null check (state in
    ('awaiting-approval', 'running', 'paused', 'halted', 'aborted', 'succeeded', 'finished')),
  -- True where it covers the whole fleet: the head of the lane moves with it, so that new tenants do not start behind.
  moves_head boolean not null default false,
  selection jsonb not null,
  -- Waves, budget, concurrency, time-outs, probe, policy on failure, on-demand: catalog/rollout-policy.ts.
  policy jsonb not null,
  -- Why it halted: { "rule", "message", "evidence": {...} }; or why it was aborted.
  verdict jsonb,
  approval_required boolean not null default false,
  approved_by text,
  approved_at timestamptz,
  actor text not null,
  request_id text,
  -- Raised by every change of state by a person, so that a worker that decides on an old view changes nothing.
  version integer not null default 1,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  -- The budget counts what ended after this: a resume lets pass what a person has seen.
  budget_from timestamptz not null default now(),
  finished_at timestamptz,
  check ((kind = 'exec') = (statement is not null)),
  check ((kind = 'exec') = (release_id is null))
);
-- One rollout of a lane at a time. A halted one is resumed or aborted before the next.
create unique index rollouts_one_per_lane on rollouts (lane)
  where state in ('awaiting-approval', 'running', 'paused', 'halted');
create index rollouts_recent on rollouts (created_at);

create table rollout_waves (
  rollout_id text not null references rollouts,
  position integer not null,
  name text not null,
  group_name text,
  state text not null default 'waiting' check (state in ('waiting', 'running', 'baking', 'done')),
  bake_ms bigint not null default 0,
  concurrency integer,
  maintenance_window jsonb,
  started_at timestamptz,
  -- All members ended; the next wave waits for the bake time from here.
  ended_at timestamptz,
  finished_at timestamptz,
  primary key (rollout_id, position)
);

create table rollout_members (
  rollout_id text not null references rollouts,
  database_id text not null references databases,
  -- Null for a warm database.
  tenant_id text references tenants,
  cluster_id text not null references clusters,
  wave integer not null,
  state text not null default 'pending' check (state in ('pending', 'running', 'done', 'noop', 'failed', 'skipped', 'gone')),
  -- Like the lease of an operation: every write of a worker carries the fence.
  lease_holder text,
  lease_until timestamptz,
  fence integer not null default 0,
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  -- A runtime was asked for this tenant: migrate it first.
  requested_at timestamptz,
  from_version text,
  to_version text,
  duration_ms integer,
  lock_wait_ms integer,
  -- { code, sqlstate, message, file, line, statement, hint, detail, blocker, state_of_database }
  error jsonb,
  skip_reason text,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (rollout_id, database_id)
);
create index rollout_members_work on rollout_members (rollout_id, state, wave, next_attempt_at);
-- The next of each cluster.
create index rollout_members_open on rollout_members (rollout_id, cluster_id, wave, next_attempt_at)
  where state in ('pending', 'running');
create index rollout_members_of_database on rollout_members (database_id);

-- What the schema of a version must look like, read once from a database made for it.
create table golden_schemas (
  -- laneHash of every lane, in order of their names.
  lanes_hash text not null,
  server_major integer not null,
  fingerprint text not null,
  objects jsonb not null,
  created_at timestamptz not null default now(),
  primary key (lanes_hash, server_major)
);

-- The last sweep's answer for each database that was looked at.
create table schema_checks (
  database_id text primary key references databases,
  checked_at timestamptz not null default now(),
  lanes_hash text not null,
  fingerprint text not null,
  drifted boolean not null,
  -- [{ "kind", "object", "change": "missing|unexpected|different", "expected", "found", "repairable" }]
  differences jsonb not null default '[]',
  -- A difference somebody has accepted: { "fingerprint", "reason", "actor", "at" }.
  adopted jsonb
);

create function tell_rollout() returns trigger language plpgsql as $$
begin
  perform pg_notify('freehold_rollouts', new.id || ':' || new.state);
  return null;
end $$;
create trigger rollouts_told after insert or update of state on rollouts for each row execute function tell_rollout();

-- A runtime that serves only some schema versions must hear at once when a tenant has moved into its range.
create function tell_lanes() returns trigger language plpgsql as $$
begin
  perform pg_notify('freehold_routes', new.tenant_id || ':' || (select t.generation from tenants t where t.id = new.tenant_id));
  return null;
end $$;
create trigger databases_told after update of lanes on databases for each row
  when (new.state = 'claimed' and new.lanes is distinct from old.lanes) execute function tell_lanes();

-- The second thing a runtime may write: that a tenant was asked for which a running rollout has still to migrate.
create function runtime.ask_migration(asked_tenant text) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  rollout text;
begin
  update public.rollout_members m set requested_at = now()
  from public.rollouts r
  where m.tenant_id = asked_tenant and m.state = 'pending' and m.requested_at is null
    and r.id = m.rollout_id and r.state = 'running' and (r.policy ->> 'on_demand')::boolean
  returning r.id into rollout;
  if rollout is null then return false; end if;
  perform pg_notify('freehold_rollouts', rollout || ':requested');
  return true;
end $$;
revoke all on function runtime.ask_migration(text) from public;
grant execute on function runtime.ask_migration(text) to freehold_runtime;

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
