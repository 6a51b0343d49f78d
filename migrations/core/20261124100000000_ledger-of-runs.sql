-- What the fleet's migrator keeps of each run. Run as the owner; nobody else may write here (D18).
-- Up Migration

-- A rollout's id, or a uuid where a database was brought to its lanes by itself.
alter table freehold.ledger alter column run type text;
-- Who asked for the run. Null in what was applied before this file.
alter table freehold.ledger add column actor text;

-- How far a file has come that runs statement by statement, outside of a transaction. Empty unless one was interrupted.
create table freehold.progress (
  lane text not null,
  name text not null,
  statement integer not null,
  state text not null check (state in ('intended', 'done')),
  started_at timestamptz not null default now(),
  primary key (lane, name, statement)
);

-- Down Migration

drop table freehold.progress;
alter table freehold.ledger drop column actor;
alter table freehold.ledger alter column run type uuid using pg_catalog.md5(run)::uuid;
