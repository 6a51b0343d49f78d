-- Owns what every tenant database starts with: what PostgreSQL gives to PUBLIC and a tenant could use against its
-- neighbours is taken away. Rights on objects are copied with the template; rights on the database itself are not.
-- Run by install-cluster.ts as superuser inside a database that nobody else can connect to yet.

-- Its place is taken by a schema of the same name that the owner of each database makes and owns (migrations/core).
drop schema if exists public;

-- Only migrations write functions; DO would give an application login loops, exceptions and dynamic SQL.
revoke usage on language plpgsql from public;
grant usage on language plpgsql to freehold_migrators;

do $$
declare
  object record;
begin
  -- Shared by the whole server: one lock table (V5), one NOTIFY queue, one WAL, snapshots that hold vacuum back.
  -- pg_advisory_unlock_all stays: it gives nothing and resetting a session calls it.
  for object in
    select p.oid::regprocedure as signature, p.proname from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and (
      p.proname ~ '^pg_(try_)?advisory_' and p.proname <> 'pg_advisory_unlock_all'
      or p.proname ~ '^lo_' or p.proname in ('loread', 'lowrite')
      or p.proname in ('pg_notify', 'pg_export_snapshot', 'pg_logical_emit_message')
      -- Beneath the views below: sessions, locks and statistics of other databases.
      or p.proname ~ '^pg_stat_get_(activity|backend_|db_|progress_info|wal_senders|wal_receiver|subscription|replication_slot)'
      or p.proname in ('pg_lock_status', 'pg_prepared_xact', 'pg_get_replication_slots', 'pg_show_replication_origin_status',
        'pg_blocking_pids', 'pg_safe_snapshot_blocking_pids', 'pg_tablespace_databases'))
  loop
    execute format('revoke execute on function %s from public', object.signature);
    if object.proname ~ '^pg_(try_)?advisory_' then
      execute format('grant execute on function %s to freehold_migrators', object.signature);
    end if;
  end loop;

  -- Catalogs that all databases share, and the views on them and on other databases' sessions.
  for object in
    select c.oid::regclass as signature from pg_class c
    where c.relnamespace = 'pg_catalog'::regnamespace and (
      c.relisshared and c.relkind = 'r'
      or c.relname in ('pg_roles', 'pg_user', 'pg_group', 'pg_shadow', 'pg_locks', 'pg_prepared_xacts', 'pg_replication_slots',
        'pg_replication_origin_status', 'pg_stat_activity', 'pg_stat_database', 'pg_stat_database_conflicts',
        'pg_stat_replication', 'pg_stat_replication_slots', 'pg_stat_ssl', 'pg_stat_gssapi', 'pg_stat_wal_receiver',
        'pg_stat_subscription', 'pg_stat_subscription_stats', 'pg_user_mappings')
      or c.relname ~ '^pg_stat_progress_')
  loop
    execute format('revoke all on %s from public', object.signature);
  end loop;
end $$;
