// Owns the rules about statements that reach beyond the schema of one tenant: the transaction and session of the migrator, roles
// and rights, the server, the outside world, Freehold's own bookkeeping. They hold in both directions.
import type { Rule } from '../rule.ts';

export const boundaryRules = {
  'transaction-control': {
    severity: 'error',
    why: 'COMMIT or ROLLBACK inside of a DO block or procedure fails within the transaction of the migrator, or breaks out of its bookkeeping.',
    remedy:
      'Leave it out. Work that must be committed in parts is a file of statements marked "-- freehold: no-transaction".',
    example: '-- freehold: no-transaction\nupdate tasks set done = true where closed_at is not null and not done;',
  },
  'changes-role': {
    severity: 'error',
    why: 'The migrator works as the owner of the database. What is made under another role belongs to that role, and later migrations cannot change it.',
    remedy: 'Leave SET ROLE, SET SESSION AUTHORIZATION and RESET ALL out.',
    example: 'create table tasks (id bigint primary key);',
  },
  'changes-search-path': {
    severity: 'warning',
    why: 'Names after it land in another schema than the file says; the next migration begins with a clean session again.',
    remedy: 'Write the schema before the name.',
    example: 'create table reporting.totals (day date primary key);',
  },
  'create-extension': {
    severity: 'error',
    why: 'Only extensions that PostgreSQL marks as trusted can be made by the owner of a database; any other fails in every tenant.',
    remedy:
      'Use a trusted one (btree_gin, btree_gist, citext, cube, fuzzystrmatch, hstore, intarray, isn, ltree, pg_trgm, pgcrypto, seg, tablefunc, unaccent, uuid-ossp …). For another, put it into the cluster’s template and waive this.',
    example: 'create extension if not exists pg_trgm;',
  },
  'whole-server': {
    severity: 'error',
    why: 'Databases, tablespaces, event triggers, languages and server settings belong to the cluster and not to one tenant.',
    remedy: 'Leave it out; `freehold clusters` and `freehold tenants` are the doors for this.',
    example: "alter table tasks set (fillfactor = 90); -- a setting of one's own table",
  },
  roles: {
    severity: 'error',
    why: 'Roles are shared by all databases of a cluster; those of a tenant are made, named and rotated by Freehold.',
    remedy: 'Leave it out: new tables are readable and writable for the logins of the tenant by default privileges.',
    example: 'create table tasks (id bigint primary key);',
  },
  'foreign-grant': {
    severity: 'error',
    why: 'The roles of a tenant have names of their own in every database, and a grant to PUBLIC or a change of owner opens what was closed.',
    remedy: 'Leave it out: default privileges give the logins of the tenant what they need.',
    example: 'revoke all on secrets from public;',
  },
  'outside-world': {
    severity: 'error',
    why: 'COPY to or from a file or program, foreign servers, subscriptions, LOAD, dblink and functions on files or sessions reach what is not of this tenant.',
    remedy: 'Leave it out; data comes in by the runtime API or by COPY FROM STDIN apart from migrations.',
    example: "insert into countries (code, name) values ('de', 'Germany');",
  },
  'freehold-own': {
    severity: 'error',
    why: 'The schema "freehold" and the table pgmigrations are the bookkeeping by which every later migration is planned.',
    remedy: 'Leave them alone; `freehold fleet` shows what they hold.',
    example: 'create schema reporting;',
  },
  'definer-search-path': {
    severity: 'error',
    why: 'A SECURITY DEFINER function without a fixed search_path runs what a caller puts in front of the path, with the rights of the owner.',
    remedy: 'Pin the path, pg_temp last.',
    example:
      'create function close_task(id bigint) returns void language sql security definer\n  set search_path = public, pg_temp as $$ … $$;',
  },
  'unknown-rule': {
    severity: 'error',
    why: 'A waiver for a rule that does not exist waives nothing.',
    remedy: 'Write the name as the finding has it.',
    example: '-- freehold: allow ban-truncate: the table is a cache',
  },
  'unused-waiver': {
    severity: 'warning',
    why: 'A waiver without a finding hides the next one.',
    remedy: 'Remove the line.',
    example: '',
  },
} as const satisfies Record<string, Rule>;
