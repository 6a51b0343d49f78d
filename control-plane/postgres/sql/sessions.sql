-- Owns looking at the sessions of tenants' logins from outside of them, and ending those that are over the limits of their plan.
-- Installed with provisioning.sql, in the same transaction and under the same rules.

-- For the connection budget: who is here, by the name that each session shows. A process that has none here cannot be using its
-- share. Ours and those of tenants' logins; a superuser's session is nobody's share.
create function freehold.tenant_sessions() returns table (application text, sessions integer)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(a.application_name, ''), count(*)::integer from pg_stat_activity a
  where a.pid <> pg_backend_pid()
    and (a.usename = 'freehold_provisioner' or a.usename ~ '^t_[0-7][0-9a-hjkmnp-tv-z]{25}_(mig|app_a|app_b|ro)$')
  group by 1;
$$;

-- For the reaper: where somebody has been at one statement or in one transaction for so long.
create function freehold.busy_for(at_least_ms integer) returns table (database text)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select distinct a.datname::text from pg_stat_activity a
  where a.usename ~ '^t_[0-7][0-9a-hjkmnp-tv-z]{25}_(app_a|app_b|ro)$' and a.state <> 'idle'
    and least(a.query_start, a.xact_start, a.state_change) < clock_timestamp() - at_least_ms * interval '1 millisecond';
$$;

-- The reaper (D08, D09): a login can undo its own timeouts, so what outlives them by far is ended from outside. Only application
-- and read-only logins of the databases that are named, each with its own limits; a migration is nobody's business here.
-- The limits have floors, so that a stolen provisioner cannot use it to keep tenants from working.
create function freehold.end_overdue(limits jsonb)
  returns table (database text, login text, over text, age_ms bigint)
  language sql security definer set search_path = pg_catalog, pg_temp as $$
  with limit_of as (
    select freehold.checked_name(l.database) as name, greatest(l."statementMs", 100) as statement_ms,
      greatest(l."transactionMs", 1000) as transaction_ms, greatest(l."idleInTransactionMs", 1000) as idle_ms
    from jsonb_to_recordset(limits) as l (database text, "statementMs" bigint, "transactionMs" bigint, "idleInTransactionMs" bigint)
  ), at_work as (
    select a.pid, l.*, a.usename::text as login, a.state = 'active' as active, a.state like 'idle in transaction%' as idle,
      (extract(epoch from clock_timestamp() - a.query_start) * 1000)::bigint as statement_age,
      (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::bigint as transaction_age,
      (extract(epoch from clock_timestamp() - a.state_change) * 1000)::bigint as idle_age
    from pg_stat_activity a join limit_of l on l.name = a.datname
    where a.usename ~ ('^' || l.name || '_(app_a|app_b|ro)$')
  ), overdue as materialized (
    select pid, name, login, case when active and statement_age > statement_ms then 'statement'
      when idle and idle_age > idle_ms then 'idle in transaction'
      when transaction_age > transaction_ms then 'transaction' end as over,
      case when active and statement_age > statement_ms then statement_age when idle and idle_age > idle_ms then idle_age
      else transaction_age end as age
    from at_work
  )
  -- CASE keeps the order: joined by AND the planner may end a session before it asks whether it is overdue.
  select o.name, o.login, o.over, o.age from overdue o where case when o.over is null then false else pg_terminate_backend(o.pid) end;
$$;

revoke all on function freehold.tenant_sessions(), freehold.busy_for(integer), freehold.end_overdue(jsonb) from public;
grant execute on function freehold.tenant_sessions(), freehold.busy_for(integer), freehold.end_overdue(jsonb) to freehold_provisioner;
