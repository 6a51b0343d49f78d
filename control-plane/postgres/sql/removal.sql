-- Owns how the roles of a database go: first whatever they own or may do elsewhere, then they themselves. Installed after
-- provisioning.sql, in the same transaction and under the same rules.

-- For roles that own or may do something in another database than their own (P17): lets the provisioner in there, as a
-- member of those roles, to run DROP OWNED.
create function freehold.lend_roles_in(name text, proofs text[], other_database text) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
declare
  role_name text;
begin
  perform freehold.check_roles(name, proofs);
  foreach role_name in array freehold.existing_roles(name) loop
    execute format('grant %I to freehold_provisioner with inherit true, set true', role_name);
  end loop;
  if not exists (
    select from pg_shdepend s join pg_database d on d.oid = s.dbid
    where d.datname = other_database and s.refclassid = 'pg_authid'::regclass
      and s.refobjid = any (array(select r.oid from pg_authid r where r.rolname = any (freehold.roles_of(name))))
  ) then
    raise exception using errcode = 'ZF002', message = 'the roles have nothing in that database';
  end if;
  execute format('grant connect on database %I to freehold_provisioner', other_database);
end $$;

create function freehold.take_back_roles_in(name text, other_database text) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
declare
  role_name text;
begin
  foreach role_name in array freehold.existing_roles(name) loop
    if pg_has_role('freehold_provisioner', role_name, 'member') then
      execute format('revoke %I from freehold_provisioner', role_name);
    end if;
  end loop;
  if other_database <> current_database() and exists (select from pg_database where datname = other_database) then
    execute format('revoke connect on database %I from freehold_provisioner', other_database);
  end if;
end $$;

create function freehold.existing_roles(name text) returns text[]
  language sql strict stable set search_path = pg_catalog, pg_temp as $$
  select array(select r.rolname::text from pg_authid r where r.rolname = any (freehold.roles_of(freehold.checked_name(name))));
$$;

create function freehold.drop_roles(name text, proofs text[]) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
declare
  roles text[];
  list text;
begin
  perform pg_advisory_xact_lock(hashtextextended(name, 0));
  perform freehold.check_roles(name, proofs);
  if exists (select from pg_database where datname = name) then
    raise exception using errcode = 'ZF003', message = format('database %s still exists', name);
  end if;
  roles := freehold.existing_roles(name);
  if cardinality(roles) = 0 then
    return;
  end if;
  select string_agg(format('%I', r), ', ') into list from unnest(roles) as r;
  perform pg_terminate_backend(a.pid) from pg_stat_activity a where a.usename::text = any (roles);
  -- Rights on shared objects, such as CONNECT on another database, are dropped from wherever one is.
  execute 'drop owned by ' || list;
  execute 'drop role ' || list;
end $$;

revoke all on all functions in schema freehold from public;
grant execute on function
  freehold.lend_roles_in(text, text[], text),
  freehold.take_back_roles_in(text, text),
  freehold.drop_roles(text, text[])
to freehold_provisioner;
