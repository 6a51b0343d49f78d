-- Why: one file with both ways.
-- Up Migration
create table plain (id integer primary key, note text default 'a; -- b');
comment on table plain is 'ünïcode — and "quotes"';

-- Down Migration
drop table plain;
