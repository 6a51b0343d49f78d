-- Where node-pg-migrate's table of the tenant lane stands in this database: an installation may choose (FREEHOLD_MIGRATIONS_TABLE).
-- The migrator moves the table and writes this row in one transaction; nobody else may write here (D18).
-- Up Migration

create table freehold.bookkeeping (
  singleton boolean primary key default true check (singleton),
  schema_name text not null,
  table_name text not null
);
insert into freehold.bookkeeping (schema_name, table_name) values ('public', 'pgmigrations');

do $$
declare
  name text := current_database();
begin
  execute format('grant select on freehold.bookkeeping to %I, %I, %I', name || '_app_a', name || '_app_b', name || '_ro');
end $$;

-- Down Migration

do $$
begin
  if not exists (select from freehold.bookkeeping where schema_name = 'public' and table_name = 'pgmigrations') then
    raise exception 'the table was moved; set FREEHOLD_MIGRATIONS_TABLE to public.pgmigrations and migrate first';
  end if;
end $$;
drop table freehold.bookkeeping;
