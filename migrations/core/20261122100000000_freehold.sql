-- Freehold's own schema in every tenant database. Run as the owner, who is named after the database, as all its roles are:
-- current_database() gives their names, so one text serves every database.
-- Up Migration

create schema freehold;
create schema public;

-- Which database this is and who holds it. Every new session of the runtime compares both with the route.
create table freehold.identity (
  singleton boolean primary key default true check (singleton),
  database_id text not null check (database_id ~ '^dbs_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  -- Null while the database is warm.
  tenant_id text check (tenant_id ~ '^tnt_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  claimed_at timestamptz,
  check ((tenant_id is null) = (claimed_at is null))
);
insert into freehold.identity (database_id) values ('dbs_' || upper(substr(current_database(), 3)));

-- What was applied, from which text, by whom. Written only in the transaction that applies.
create table freehold.ledger (
  lane text not null check (lane ~ '^[a-z][a-z0-9-]*$'),
  name text not null,
  -- SHA-256 of the file: an edited file is found, not skipped in silence.
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  applied_at timestamptz not null default now(),
  applied_by text not null default session_user,
  -- Of the whole message, from its first statement to this row.
  duration_ms integer not null,
  -- The same for all files of one message.
  run uuid not null,
  primary key (lane, name)
);

-- node-pg-migrate's table, where its own command line looks for it, so that it sees what we applied to the tenant lane.
-- Made before the default privileges below: no application login may write it (D18).
create table public.pgmigrations (
  id serial primary key,
  name varchar(255) not null,
  run_on timestamp not null
);

do $$
declare
  name text := current_database();
  app text := format('%I, %I', name || '_app_a', name || '_app_b');
  readers text := app || format(', %I', name || '_ro');
begin
  execute format('grant usage on schema freehold, public to %s', readers);
  execute format('grant select on freehold.identity, freehold.ledger to %s', readers);
  -- They name the creating role: only what the owner makes is covered, and nobody else may make anything.
  execute format('alter default privileges in schema public grant select, insert, update, delete on tables to %s', app);
  execute format('alter default privileges in schema public grant select on tables to %I', name || '_ro');
  execute format('alter default privileges in schema public grant usage, select on sequences to %s', app);
  execute format('alter default privileges in schema public grant select on sequences to %I', name || '_ro');
  -- Views and generated columns call functions with the rights of the reader, so the read-only login needs them too.
  execute 'alter default privileges revoke execute on functions from public';
  execute format('alter default privileges in schema public grant execute on functions to %s', readers);
end $$;

-- Down Migration

drop schema public cascade;
drop schema freehold cascade;
