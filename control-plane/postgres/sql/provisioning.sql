-- Owns what the provisioner may do to a cluster: every function here runs with the rights of the superuser that installed
-- it, takes only names of our own form, and acts on an existing database or role only with its proof (cluster-marks.ts).
-- Installed by install-cluster.ts into the database freehold_admin, whole, in one transaction.

create schema freehold;
revoke all on schema freehold from public;
grant usage on schema freehold to freehold_provisioner;
alter default privileges in schema freehold revoke execute on functions from public;

-- Refuses whatever is not the name of a tenant database, before it comes near dynamic SQL.
create function freehold.checked_name(name text) returns text
  language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
begin
  if name !~ '^t_[0-7][0-9a-hjkmnp-tv-z]{25}$' then
    raise exception using errcode = 'ZF002', message = 'not the name of a tenant database';
  end if;
  return name;
end $$;

create function freehold.roles_of(name text) returns text[]
  language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select array[name, name || '_own', name || '_mig', name || '_app_a', name || '_app_b', name || '_ro'];
$$;

create function freehold.mark_of(name text, proof text) returns text
  language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select 'freehold:dbs_' || upper(substr(name, 3)) || ':' || encode(sha256(convert_to(proof, 'UTF8')), 'hex');
$$;

create function freehold.is_ours(name text, mark text, proofs text[]) returns boolean
  language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(bool_or(freehold.mark_of(name, proof) = mark), false) from unnest(proofs) as proof where length(proof) >= 32;
$$;

-- Roles of this name that exist must all bear our mark. Returns how many there are.
create function freehold.check_roles(name text, proofs text[]) returns integer
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  role record;
  found_roles integer := 0;
begin
  for role in
    select r.rolname, shobj_description(r.oid, 'pg_authid') as mark
    from pg_authid r where r.rolname = any (freehold.roles_of(freehold.checked_name(name)))
  loop
    found_roles := found_roles + 1;
    if not freehold.is_ours(name, role.mark, proofs) then
      raise exception using errcode = 'ZF001', message = format('role %s does not bear our mark', role.rolname);
    end if;
  end loop;
  return found_roles;
end $$;

-- A database is ours by its mark. One without a mark is ours half made when its owner is our own marked role: between
-- CREATE DATABASE and finish_database nobody else can give it that owner (it takes a membership that only lend_owner gives).
create function freehold.check_database(name text, proofs text[]) returns pg_database
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  database pg_database;
  mark text;
begin
  select d.* into database from pg_database d where d.datname = freehold.checked_name(name);
  if not found then
    return null;
  end if;
  mark := shobj_description(database.oid, 'pg_database');
  if database.datdba <> coalesce((select oid from pg_authid where rolname = name || '_own'), 0)
     or not freehold.is_ours(name, coalesce(mark, shobj_description(database.datdba, 'pg_authid')), proofs) then
    raise exception using errcode = 'ZF001', message = format('database %s does not bear our mark', name);
  end if;
  return database;
end $$;

-- All settings of the four logins, from nothing: a login may change most of its own (D08), also for its database alone.
-- (What it sets for a database that it cannot enter has no effect and goes with the role.)
create function freehold.apply_settings(name text, limits jsonb) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connections integer := (limits ->> 'loginConnectionsMax')::integer;
  temp_file_kib integer := (limits ->> 'tempFileKibMax')::integer;
  timeout_ms integer := (limits ->> 'statementTimeoutMs')::integer;
  suffix text;
  login text;
begin
  if connections is null or temp_file_kib is null or timeout_ms is null
     or connections < 1 or temp_file_kib < 0 or timeout_ms < 1 then
    raise exception using errcode = 'ZF002', message = 'a limit is missing or out of range';
  end if;
  foreach suffix in array array['_mig', '_app_a', '_app_b', '_ro'] loop
    login := name || suffix;
    execute format('alter role %I reset all', login);
    -- Each is one look into an index. A query over pg_db_role_setting would read all of it: 5 ms at 10,000 databases.
    if exists (select from pg_database d where d.datname = name) then
      execute format('alter role %I in database %I reset all', login, name);
    end if;
    -- pg_catalog is searched first by itself, pg_temp is named so that it comes last (CVE-2018-1058).
    execute format('alter role %I set search_path = public, pg_temp', login);
    execute format('alter role %I set idle_in_transaction_session_timeout = %L', login, '60s');
    if suffix = '_mig' then
      -- Three: two control-plane processes with one prewarmed session each, and one for a person at a command line.
      execute format('alter role %I login connection limit 3', login);
      -- A migration that waits for a lock holds up all who come after it.
      execute format('alter role %I set lock_timeout = %L', login, '5s');
    else
      execute format('alter role %I login connection limit %s', login, connections);
      -- Only a superuser may set it, so a tenant can neither change nor reset it.
      execute format('alter role %I set temp_file_limit = %s', login, temp_file_kib);
      -- A default only: a login may undo it. The runtime's deadline and the reaper are the limit.
      execute format('alter role %I set statement_timeout = %s', login, timeout_ms);
    end if;
  end loop;
  execute format('alter role %I set default_transaction_read_only = on', name || '_ro');
end $$;

create function freehold.apply_verifier(role_name text, verifier text) returns void
  language plpgsql strict set search_path = pg_catalog, pg_temp as $$
begin
  if verifier !~ '^SCRAM-SHA-256\$[0-9]{1,7}:[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]+=*:[A-Za-z0-9+/]+=*$' then
    raise exception using errcode = 'ZF002', message = 'not a SCRAM-SHA-256 verifier';
  end if;
  execute format('alter role %I password %L', role_name, verifier);
end $$;

-- The six roles, all or none. Called again it completes what is missing and sets verifiers, limits and settings anew.
create function freehold.make_roles(name text, proofs text[], verifiers jsonb, limits jsonb) returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  existing text[];
  role_name text;
  mark text := freehold.mark_of(freehold.checked_name(name), proofs[1]);
  suffix text;
begin
  if mark is null or length(proofs[1]) < 32 then
    raise exception using errcode = 'ZF002', message = 'a proof is needed';
  end if;
  perform pg_advisory_xact_lock(hashtextextended(name, 0));
  perform freehold.check_roles(name, proofs);
  existing := array(select r.rolname::text from pg_authid r where r.rolname = any (freehold.roles_of(name)));
  foreach role_name in array freehold.roles_of(name) loop
    if not role_name = any (existing) then
      execute format('create role %I nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls', role_name);
      execute format('comment on role %I is %L', role_name, mark);
    end if;
  end loop;
  execute format('grant freehold_migrators to %I with inherit true, set false', name || '_own');
  -- A migration says SET ROLE first (or PGOPTIONS='-c role=…'); the setting "role" cannot be stored by a definer function.
  execute format('grant %I to %I with inherit false, set true', name || '_own', name || '_mig');
  foreach suffix in array array['mig', 'app_a', 'app_b', 'ro'] loop
    role_name := name || '_' || suffix;
    perform freehold.apply_verifier(role_name, coalesce(verifiers ->> suffix, ''));
    -- The group carries CONNECT, and pg_hba's samerole asks for it; freehold_tenants carries nothing.
    execute format('grant %I to %I with inherit true, set false', name, role_name);
    execute format('grant freehold_tenants to %I with inherit false, set false', role_name);
  end loop;
  perform freehold.apply_settings(name, limits);
end $$;

create function freehold.set_limits(name text, proofs text[], limits jsonb) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform freehold.check_all_roles(name, proofs);
  perform freehold.apply_settings(name, limits);
end $$;

create function freehold.set_verifier(name text, proofs text[], login text, verifier text) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
begin
  if login not in ('mig', 'app_a', 'app_b', 'ro') then
    raise exception using errcode = 'ZF002', message = 'no such login';
  end if;
  perform freehold.check_all_roles(name, proofs);
  perform freehold.apply_verifier(name || '_' || login, verifier);
end $$;

create function freehold.check_all_roles(name text, proofs text[]) returns void
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if freehold.check_roles(name, proofs) <> 6 then
    raise exception using errcode = 'ZF003', message = format('the roles of %s are not complete', name);
  end if;
end $$;

-- CREATE and DROP DATABASE cannot run inside a function: the provisioner runs them itself, as a member of the owner for
-- that moment.
create function freehold.lend_owner(name text, proofs text[]) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if freehold.check_roles(name, proofs) = 0 or not exists (select from pg_authid where rolname = name || '_own') then
    raise exception using errcode = 'ZF003', message = format('the roles of %s are not complete', name);
  end if;
  perform freehold.check_database(name, proofs);
  execute format('grant %I to freehold_provisioner with inherit true, set true', name || '_own');
end $$;

create function freehold.take_back_owner(name text) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- Needs no proof: it only ever takes away.
  if exists (
    select from pg_auth_members m where m.roleid = (select oid from pg_authid where rolname = freehold.checked_name(name) || '_own')
      and m.member = 'freehold_provisioner'::regrole
  ) then
    execute format('revoke %I from freehold_provisioner', name || '_own');
  end if;
end $$;

-- What CREATE DATABASE leaves open is closed, the mark is set, the membership goes back; one transaction.
create function freehold.finish_database(name text, proofs text[]) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  database pg_database;
begin
  perform freehold.check_all_roles(name, proofs);
  database := freehold.check_database(name, proofs);
  if database.oid is null or database.datconnlimit = -2 then
    raise exception using errcode = 'ZF003', message = format('there is no whole database %s', name);
  end if;
  if shobj_description(database.oid, 'pg_database') is null then
    execute format('alter database %I allow_connections false', name);
  end if;
  execute format('revoke all on database %I from public', name);
  execute format('grant connect on database %I to %I', name, name);
  execute format('comment on database %I is %L', name, freehold.mark_of(name, proofs[1]));
  perform freehold.take_back_owner(name);
end $$;

create function freehold.set_open(name text, proofs text[], open boolean) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
declare
  database pg_database := freehold.check_database(name, proofs);
begin
  -- An invalid database is left alone: ALTER DATABASE on it ends the session that asks (P09).
  if database.oid is null or database.datconnlimit = -2 then
    raise exception using errcode = 'ZF003', message = format('there is no whole database %s', name);
  end if;
  if open and shobj_description(database.oid, 'pg_database') is null then
    raise exception using errcode = 'ZF003', message = format('database %s is not finished', name);
  end if;
  if database.datallowconn <> open then
    execute format('alter database %I allow_connections %s', name, open::text);
  end if;
end $$;

-- Asks every session in the database to end; the caller counts again until none is left.
create function freehold.terminate_sessions(name text, proofs text[]) returns integer
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
declare
  database pg_database := freehold.check_database(name, proofs);
begin
  return (select count(*)::integer from (
    select pg_terminate_backend(a.pid) from pg_stat_activity a where a.datid = database.oid offset 0
  ) as ended);
end $$;

create function freehold.count_sessions(name text) returns integer
  language sql strict stable security definer set search_path = pg_catalog, pg_temp as $$
  select count(*)::integer from pg_stat_activity where datname = freehold.checked_name(name);
$$;

revoke all on all functions in schema freehold from public;
grant execute on function
  freehold.make_roles(text, text[], jsonb, jsonb),
  freehold.set_limits(text, text[], jsonb),
  freehold.set_verifier(text, text[], text, text),
  freehold.lend_owner(text, text[]),
  freehold.take_back_owner(text),
  freehold.finish_database(text, text[]),
  freehold.set_open(text, text[], boolean),
  freehold.terminate_sessions(text, text[]),
  freehold.count_sessions(text)
to freehold_provisioner;
