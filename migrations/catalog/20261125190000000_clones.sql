-- Scratch databases that hold a tenant's data: a copy to rehearse a migration in.
-- Up Migration

-- Whose copy it is. Its identity row is that of the source, so what drops it must know; and whoever asks later where the data of a
-- database has been finds the rows, which stay.
alter table databases add column clone_of text references databases (id);
alter table databases add check (clone_of is null or (scratch_until is not null and tenant_id is null and clone_of <> id));

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
