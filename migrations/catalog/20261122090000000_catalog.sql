-- The book of record. One database, owned by the control plane; the runtime sees only the schema "runtime".
-- Up Migration

create table clusters (
  id text primary key check (id ~ '^cls_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  name text not null unique check (name ~ '^[a-z][a-z0-9-]{1,62}$'),
  region text not null check (region ~ '^[a-z][a-z0-9-]{1,31}$'),
  tier text not null check (tier in ('shared', 'dedicated')),
  state text not null check (state in ('active', 'draining', 'retired')),
  host text not null,
  port integer not null check (port between 1 and 65535),
  tls text not null default 'disable' check (tls in ('disable', 'require', 'verify-full')),
  ca text,
  -- The provisioner's password, sealed with the context '<cluster id>/provisioner'.
  provisioner_sealed text not null,
  server_version_num integer not null,
  capabilities jsonb not null,
  capacity integer not null check (capacity >= 0),
  -- Databases that are not dropped, warm ones included. Moved only by reserve and release, so that placement need not count.
  databases_used integer not null default 0 check (databases_used >= 0),
  connection_budget integer not null check (connection_budget > 0),
  warm_min integer not null default 2 check (warm_min >= 0),
  warm_max integer not null default 8 check (warm_max >= warm_min),
  health text not null default 'healthy' check (health in ('healthy', 'unreachable')),
  health_detail jsonb not null default '{}',
  health_checked_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (host, port)
);

create table plans (
  id text primary key check (id ~ '^[a-z][a-z0-9-]{1,31}$'),
  title text not null,
  -- Validated by catalog/plan-limits.ts; a plan is data, its shape is code.
  limits jsonb not null,
  -- How many tenants may hold this plan; null means any number.
  tenants_max integer check (tenants_max >= 0),
  state text not null default 'active' check (state in ('active', 'retired')),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table tenants (
  id text primary key check (id ~ '^tnt_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  -- Unique over purged tenants too: a slug is never handed to somebody else.
  slug text not null unique check (slug ~ '^[a-z][a-z0-9-]{1,61}[a-z0-9]$'),
  name text not null check (length(name) between 1 and 200),
  region text not null,
  tier text not null check (tier in ('shared', 'dedicated')),
  plan_id text not null references plans,
  -- The moves are decided in catalog/tenant-states.ts; this list only refuses what is not a state at all.
  state text not null check (state in
    ('provisioning', 'active', 'suspending', 'suspended', 'resuming', 'deleting', 'deleted', 'purging', 'purged', 'failed')),
  -- Where an undelete returns to.
  deleted_from text check (deleted_from in ('active', 'suspended', 'failed')),
  epoch integer not null default 1,
  generation integer not null default 1,
  labels jsonb not null default '{}',
  deleted_at timestamptz,
  purge_after timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index tenants_by_plan on tenants (plan_id) where state <> 'purged';
create index tenants_to_purge on tenants (purge_after) where state = 'deleted';
create index tenants_by_label on tenants using gin (labels jsonb_path_ops);

create table databases (
  id text primary key check (id ~ '^dbs_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  name text generated always as ('t_' || lower(substr(id, 5))) stored unique,
  cluster_id text not null references clusters,
  state text not null check (state in ('creating', 'warm', 'claimed', 'retiring', 'dropped')),
  tenant_id text references tenants,
  -- Which of the two application logins routes use now; the other is free to rotate.
  active_login text not null default 'app_a' check (active_login in ('app_a', 'app_b')),
  -- { "<lane>": { "version": "<last file>", "hash": "<sha256 of all files>" } }
  lanes jsonb not null default '{}',
  -- True while the cluster refuses connections to it.
  fenced boolean not null default false,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  claimed_at timestamptz,
  dropped_at timestamptz,
  check (state <> 'claimed' or tenant_id is not null),
  check (state <> 'warm' or tenant_id is null)
);
create unique index databases_one_per_tenant on databases (tenant_id) where state in ('creating', 'claimed');
create index databases_warm on databases (cluster_id, created_at) where state = 'warm';
create index databases_unsettled on databases (state, created_at) where state in ('creating', 'retiring');

-- Passwords of the logins of each database, sealed with the context '<database id>/<login>'.
create table database_secrets (
  database_id text not null references databases,
  login text not null check (login in ('mig', 'app_a', 'app_b', 'ro')),
  sealed text not null,
  created_at timestamptz not null default now(),
  primary key (database_id, login)
);

create table operations (
  id text primary key check (id ~ '^opr_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  kind text not null,
  state text not null default 'pending' check (state in ('pending', 'running', 'undoing', 'succeeded', 'failed', 'cancelled')),
  tenant_id text references tenants,
  database_id text references databases,
  input jsonb not null default '{}',
  -- Facts that later steps need and that must survive a crash (which database was claimed, …).
  facts jsonb not null default '{}',
  -- Foreground work is somebody waiting; background work is stock and clean-up.
  lane text not null default 'foreground' check (lane in ('foreground', 'background')),
  steps_total integer not null default 0,
  steps_done integer not null default 0,
  cancel_requested boolean not null default false,
  -- The lease: who runs it, until when, and the fencing number that every write of a run must carry.
  lease_holder text,
  lease_until timestamptz,
  fence integer not null default 0,
  attempt integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  -- { code, message, step, internal, retryable }; internal is for operators only.
  error jsonb,
  actor text not null,
  request_id text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
);
-- One unfinished operation per tenant and per database: the second caller gets 423 and the id of the first.
create unique index operations_one_per_tenant on operations (tenant_id)
  where tenant_id is not null and state in ('pending', 'running', 'undoing');
create unique index operations_one_per_database on operations (database_id)
  where database_id is not null and tenant_id is null and state in ('pending', 'running', 'undoing');
create index operations_unfinished on operations (next_attempt_at) where state in ('pending', 'running', 'undoing');

create table operation_steps (
  operation_id text not null references operations on delete cascade,
  position integer not null,
  name text not null,
  -- intended is written before the step touches the world.
  state text not null check (state in ('intended', 'done', 'undone')),
  attempts integer not null default 0,
  fence integer not null,
  intended_at timestamptz not null default now(),
  finished_at timestamptz,
  error jsonb,
  primary key (operation_id, position)
);

create table idempotency_keys (
  principal text not null,
  key text not null check (length(key) between 1 and 255),
  request_hash text not null,
  tenant_id text,
  operation_id text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (principal, key)
);
create index idempotency_keys_expired on idempotency_keys (expires_at);

create table audit_entries (
  seq bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null,
  actor_role text,
  action text not null,
  target_type text not null,
  target_id text,
  request_id text,
  operation_id text,
  detail jsonb not null default '{}'
);
create index audit_entries_by_target on audit_entries (target_id, seq);

-- The outbox: written in the transaction of the change, read in order by whoever publishes.
create table events (
  seq bigint generated always as identity primary key,
  id text not null unique,
  type text not null,
  at timestamptz not null default now(),
  tenant_id text,
  payload jsonb not null,
  published_at timestamptz
);
create index events_unpublished on events (seq) where published_at is null;

create table api_keys (
  id text primary key check (id ~ '^key_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  name text not null,
  role text not null check (role in ('viewer', 'sales', 'operator', 'dba', 'owner')),
  -- HMAC of the secret under a key derived from the sealing key; the secret itself is shown once.
  secret_mac text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

create table signing_keys (
  kid text primary key,
  issuer text not null,
  alg text not null check (alg in ('EdDSA', 'ES256', 'RS256')),
  state text not null check (state in ('next', 'active', 'retiring', 'revoked')),
  public_jwk jsonb not null,
  -- Null for the keys of an external issuer. Sealed with the context 'signing-key/<kid>'.
  private_sealed text,
  created_at timestamptz not null default now(),
  retires_at timestamptz
);
create unique index signing_keys_one_active on signing_keys (issuer) where state = 'active' and private_sealed is not null;

create table runtime_instances (
  id text primary key check (id ~ '^rti_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  host text not null,
  pid integer not null,
  version text not null,
  started_at timestamptz not null,
  heartbeat_at timestamptz not null,
  stats jsonb not null default '{}'
);

create table reconcilers (
  name text primary key,
  lease_holder text,
  lease_until timestamptz,
  next_run_at timestamptz not null default now(),
  runs integer not null default 0,
  last_started_at timestamptz,
  last_finished_at timestamptz,
  last_result jsonb,
  last_error jsonb
);

-- Claims and misses of warm stock, read by the reconciler that keeps the stock.
create table warm_demand (
  cluster_id text not null references clusters,
  at timestamptz not null default now(),
  warm boolean not null
);
create index warm_demand_recent on warm_demand (cluster_id, at);

-- Whoever changes a row tells the listeners; no code can forget it.
create function tell_route() returns trigger language plpgsql as $$
begin
  perform pg_notify('freehold_routes', new.id || ':' || new.generation);
  return null;
end $$;
create trigger tenants_told after insert or update of generation, epoch, state on tenants for each row execute function tell_route();

create function tell_operation() returns trigger language plpgsql as $$
begin
  perform pg_notify('freehold_operations', new.id || ':' || new.state || ':' || new.steps_done);
  return null;
end $$;
create trigger operations_told after insert or update of state, steps_done on operations
  for each row execute function tell_operation();

create function tell_keys() returns trigger language plpgsql as $$
begin
  perform pg_notify('freehold_keys', '');
  return null;
end $$;
create trigger signing_keys_told after insert or update or delete on signing_keys for each statement execute function tell_keys();

-- What a runtime may see. The role is a group; each installation grants it to a login of its own.
create schema runtime;

create view runtime.routes as
select
  t.id as tenant_id,
  t.state,
  t.epoch,
  t.generation,
  t.plan_id,
  p.limits,
  d.id as database_id,
  d.name as database_name,
  d.lanes,
  c.id as cluster_id,
  c.host,
  c.port,
  c.tls,
  c.ca,
  c.connection_budget,
  d.active_login,
  -- No credential leaves the catalog for a tenant that may not be served.
  case when t.state = 'active' then (select s.sealed from database_secrets s where s.database_id = d.id and s.login = d.active_login) end as app_sealed,
  case when t.state = 'active' then (select s.sealed from database_secrets s where s.database_id = d.id and s.login = 'ro') end as ro_sealed
from tenants t
join plans p on p.id = t.plan_id
left join databases d on d.tenant_id = t.id and d.state = 'claimed'
left join clusters c on c.id = d.cluster_id
where t.state <> 'purged';

create view runtime.verification_keys as
select kid, issuer, alg, public_jwk, retires_at from signing_keys where state in ('next', 'active', 'retiring');

-- The one thing a runtime may write: its own heartbeat.
create function runtime.heartbeat(instance_id text, host text, pid integer, version text, started_at timestamptz, stats jsonb)
returns timestamptz language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  insert into public.runtime_instances as r (id, host, pid, version, started_at, heartbeat_at, stats)
  values (instance_id, host, pid, version, started_at, now(), stats)
  on conflict (id) do update set heartbeat_at = excluded.heartbeat_at, stats = excluded.stats
  returning heartbeat_at
$$;

do $$ begin
  if not exists (select from pg_roles where rolname = 'freehold_runtime') then
    create role freehold_runtime nologin;
  end if;
exception when duplicate_object or unique_violation then null; -- another catalog of this server made it meanwhile
end $$;
-- PostgreSQL lets everybody on a server into every database; into this one only its owner and the runtimes.
do $$ begin
  execute format('revoke connect, temporary on database %I from public', current_database());
  execute format('grant connect on database %I to freehold_runtime', current_database());
end $$;
revoke all on function runtime.heartbeat(text, text, integer, text, timestamptz, jsonb) from public;
grant usage on schema runtime to freehold_runtime;
grant select on runtime.routes, runtime.verification_keys to freehold_runtime;
grant execute on function runtime.heartbeat(text, text, integer, text, timestamptz, jsonb) to freehold_runtime;
revoke all on schema public from public;

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
