-- Owns what a pooler in front of the cluster may ask: the auth_query of PgBouncer (deploy/pgbouncer.ini). Installed with
-- provisioning.sql, in the same transaction and under the same rules.

-- The verifier of a tenant's login that a runtime uses, while its database is open; of nobody else, whoever asks. Who has it can
-- let that login in, and cannot log in as it. Migrations go to the server itself, so `_mig` is not among them.
create function freehold.pooler_login(login text) returns table (usename text, passwd text)
  language sql strict stable security definer set search_path = pg_catalog, pg_temp as $$
  select a.rolname::text, a.rolpassword from pg_authid a
  where a.rolname = login and login ~ '^t_[0-7][0-9a-hjkmnp-tv-z]{25}_(app_a|app_b|ro)$'
    and a.rolcanlogin and not a.rolsuper
    and exists (select from pg_auth_members m where m.member = a.oid and m.roleid = 'freehold_tenants'::regrole)
    and exists (select from pg_database d where d.datname = left(login, 28) and d.datallowconn);
$$;

revoke all on function freehold.pooler_login(text) from public;
grant usage on schema freehold to freehold_pooler;
grant execute on function freehold.pooler_login(text) to freehold_pooler;
