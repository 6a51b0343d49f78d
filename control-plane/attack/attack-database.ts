// Owns the attack from inside: what a tenant with the right to send SQL tries against its neighbours and the server. Every one
// must be refused by the rights of its login. Nothing here changes anything where it is refused.
import type { Attack, Attempt } from './attack.ts';
import { ask } from './doors.ts';
import { told } from './knock.ts';

/** Each must give one of these SQLSTATEs; 42501 is "insufficient privilege". */
const refusals: readonly (readonly [case_: string, what: string, sql: string, sqlstates?: string])[] = [
  ['D03', 'list all databases', 'select datname from pg_database'],
  ['D03', 'list all roles', 'select rolname from pg_roles'],
  ['D03', 'sessions of others', 'select * from pg_stat_activity'],
  ['D03', 'locks of others', 'select * from pg_locks'],
  ['D03', 'settings of others', 'select * from pg_db_role_setting'],
  ['D05', 'run a program', "copy (select 1) to program 'true'"],
  ['D05', 'read a file of the server', "select pg_read_file('PG_VERSION')"],
  ['D05', 'list files of the server', "select pg_ls_dir('.')"],
  ['D05', 'large object from a file', "select lo_import('/etc/hostname')"],
  ['D05', 'an extension that connects elsewhere', 'create extension dblink', '42501 0A000 58P01'],
  ['D05', 'a publication', 'create publication attack for all tables'],
  ['D06', 'become the owner', "select set_config('role', current_database() || '_own', false)", '42501 22023'],
  ['D06', 'change the server', "alter system set fsync = 'off'", '42501 25001'],
  ['D06', 'a schema of its own', 'create schema attack'],
  ['D06', 'a table in public', 'create table public.attack (id int)'],
  [
    'D07',
    'end the sessions of others',
    'select pg_terminate_backend(pid) from pg_stat_get_activity(null) where usesysid <> current_user::regrole::oid',
  ],
  ['D10', 'lock table of the server', 'select pg_advisory_lock(1)'],
  ['D10', 'try-lock', 'select pg_try_advisory_lock(1)'],
  ['D10', 'procedural code', 'do $$ begin perform 1; end $$'],
  ['D12', 'queue of notifications', "select pg_notify('attack', 'x')"],
  ['D14', 'write into the log of changes', "select pg_logical_emit_message(false, 'attack', 'x')"],
  ['D18', 'rewrite what was migrated', 'delete from public.pgmigrations'],
  ['D18', 'rewrite the ledger', 'delete from freehold.ledger'],
  ['N06', 'take another identity', "update freehold.identity set tenant_id = 'tnt_00000000000000000000000000'"],
];

export const attackDatabase: Attack = async function* ({ runtimeUrl, attacker }) {
  const first = await ask(runtimeUrl, attacker.token, 'select 1');
  for (const [id, what, sql, sqlstates = '42501'] of refusals) {
    if (first.status !== 200) {
      yield attempt(id, what, 'refused', `no SQL for this tenant: ${told(first)}`, 'untried');
      continue;
    }
    const answer = await ask(runtimeUrl, attacker.token, sql);
    const refused = sqlstates.split(' ').includes(String(answer.json.code ?? answer.json.sqlstate));
    yield attempt(
      id,
      what,
      sqlstates.replaceAll(' ', ' or '),
      told(answer),
      refused && answer.status < 500 ? 'held' : 'broken',
    );
  }
};

function attempt(id: string, what: string, expected: string, got: string, verdict: Attempt['verdict']): Attempt {
  return { case: id, group: 'database', what, expected, got, verdict };
}
