-- Owns what the provisioner may see of a cluster beyond its own rights, for fsck and the reconcilers: nothing here changes
-- anything. Installed with provisioning.sql, in the same transaction and under the same rules.

-- Directories under base/ that no row of pg_database accounts for: what a crash inside CREATE DATABASE leaves (P08).
-- Told, never removed. A CREATE DATABASE at work has its directory before its row: what is younger than the oldest
-- transaction is not told yet. File times come in whole seconds.
create function freehold.orphan_directories() returns table (oid bigint, bytes bigint, modified_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select entry::bigint,
    (select coalesce(sum((pg_stat_file('base/' || entry || '/' || file, true)).size), 0)::bigint
     from pg_ls_dir('base/' || entry, true, false) as file),
    (pg_stat_file('base/' || entry, true)).modification
  from pg_ls_dir('base') as entry
  where entry ~ '^[0-9]+$' and not exists (select from pg_database d where d.oid = entry::oid)
    and (pg_stat_file('base/' || entry, true)).modification + interval '1 second' < coalesce(
      (select min(a.xact_start) from pg_stat_activity a where a.backend_type = 'client backend' and a.pid <> pg_backend_pid()),
      'infinity');
$$;

-- For fsck: whether the logins still have the passwords of the catalog (D08: a login may change its own). A digest of the
-- SCRAM stored key, which is a digest itself: good for comparing, not for logging in or for posing as the server.
create function freehold.password_fingerprints() returns table (name text, iterations integer, salt text, digest text)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select rolname::text, part[1]::integer, part[2], encode(sha256(decode(part[3], 'base64')), 'base64')
  from pg_authid, regexp_match(rolpassword, '^SCRAM-SHA-256\$([0-9]+):([^$]+)\$([^:]+):') as part
  where rolname ~ '^t_[0-7][0-9a-hjkmnp-tv-z]{25}_(mig|app_a|app_b|ro)$' and part is not null;
$$;

-- Who stands before a backend of a tenant database that waits for a lock, oldest first: the template hides it from tenants' logins.
-- For a backend of another database, or one that does not wait, there is nobody; pg_blocking_pids stops all locking for a
-- moment, so it is asked about a waiting backend alone.
create function freehold.blockers_of(name text, backend integer)
  returns table (pid integer, role text, application text, state text, age_ms float8)
  language plpgsql strict stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from pg_stat_get_activity(backend) w join pg_database d on d.oid = w.datid
      where d.datname = freehold.checked_name(name) and w.wait_event_type = 'Lock') then
    return;
  end if;
  return query select a.pid, coalesce(r.rolname::text, ''), a.application_name, coalesce(a.state, a.backend_type),
      extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.query_start, a.backend_start))::float8 * 1000
    from (select distinct b from unnest(pg_blocking_pids(backend)) as b) as blocking
    cross join pg_stat_get_activity(blocking.b) a left join pg_authid r on r.oid = a.usesysid
    order by 5 desc;
end $$;

revoke all on function
  freehold.orphan_directories(), freehold.password_fingerprints(), freehold.blockers_of(text, integer) from public;
grant execute on function
  freehold.orphan_directories(), freehold.password_fingerprints(), freehold.blockers_of(text, integer) to freehold_provisioner;
