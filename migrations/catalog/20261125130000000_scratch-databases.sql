-- Databases that are made to be looked at and dropped: for the schema of a version, and for trying a migration.
-- Up Migration

-- A scratch database is 'creating' from its beginning to its end, so nobody ever claims it. Whoever uses it moves this ahead; once
-- it has passed, orphan-databases takes the row for left behind and drops what is there.
alter table databases add column scratch_until timestamptz;
alter table databases add check (scratch_until is null or (state in ('creating', 'retiring', 'dropped') and tenant_id is null));

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
