-- Owns copying a tenant's database for a rehearsal: what the provisioner may know of it before, and the right to read it, which it has
-- only through the roles of the copy. Installed after provisioning.sql, in the same transaction and under the same rules.

-- CREATE DATABASE takes no database as its template in which somebody is: the caller asks first and does not wait in vain.
create function freehold.look_at_source(name text, proofs text[])
  returns table (open boolean, sessions integer, bytes bigint)
  language plpgsql strict stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  database pg_database := freehold.check_database(name, proofs);
begin
  if database.oid is null or database.datconnlimit = -2 then
    raise exception using errcode = 'ZF003', message = format('there is no whole database %s', name);
  end if;
  return query select database.datallowconn, freehold.count_sessions(name), pg_database_size(database.oid);
end $$;

-- The owner of the copy inherits from the owner of the source: the provisioner, to which the first is lent for the moment of CREATE
-- DATABASE, may then copy, and the copy's migrator may become whom everything in it belongs to. It ends with the roles of the copy,
-- so whoever drops them has taken it back. Only for roles without a database: nobody who has one gets at another's.
create function freehold.lend_source(name text, proofs text[], source text, source_proofs text[]) returns void
  language plpgsql strict security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform freehold.check_all_roles(name, proofs);
  perform freehold.check_all_roles(source, source_proofs);
  if exists (select from pg_database where datname = name) or freehold.check_database(source, source_proofs) is null then
    raise exception using errcode = 'ZF003', message = format('%s has a database already, or %s has none', name, source);
  end if;
  execute format('grant %I to %I with inherit true, set true', source || '_own', name || '_own');
end $$;

revoke all on function freehold.look_at_source(text, text[]), freehold.lend_source(text, text[], text, text[]) from public;
grant execute on function freehold.look_at_source(text, text[]), freehold.lend_source(text, text[], text, text[]) to freehold_provisioner;
