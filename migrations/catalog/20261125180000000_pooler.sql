-- A pooler in front of a cluster, by which runtimes reach their tenants' databases. The control plane goes to the server itself.
-- Up Migration

-- postgres://host:port, with sslmode; the logins are those of the tenants. Read by catalog/pooler-url.ts.
alter table clusters add column pooler_url text check (pooler_url ~ '^postgres(ql)?://[^/@?]+(/?\?.*)?$');

create or replace view runtime.routes as
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
  case when t.state = 'active' then (select s.sealed from database_secrets s where s.database_id = d.id and s.login = 'ro') end as ro_sealed,
  c.pooler_url
from tenants t
join plans p on p.id = t.plan_id
left join databases d on d.tenant_id = t.id and d.state = 'claimed'
left join clusters c on c.id = d.cluster_id
where t.state <> 'purged';

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
