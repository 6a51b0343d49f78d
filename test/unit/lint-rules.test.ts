// Every rule of the linter by a bad and a good example, against a schema that an earlier release made; and what the linter knows
// beyond one statement: what is new, what was checked before, what is waived, what a builder file makes.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readEntries } from '../../control-plane/migration-files/read-entries.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { type LintOptions, lintLane } from '../../control-plane/migration-lint/lint-lane.ts';
import { type Finding, isBlocking } from '../../control-plane/migration-lint/rule.ts';
import { type RuleId, rules } from '../../control-plane/migration-lint/rules.ts';

const released = `
create table tasks (id bigint primary key, title varchar(20), due_on date, price numeric(10,2), owner_id bigint, note text not null);
create table people (id bigint primary key);
create index tasks_due on tasks (due_on);
create view open_tasks as select * from tasks;
create materialized view totals as select count(*) from tasks;
create function f() returns int language sql as 'select 1';
`;

const noBuilder = () => {
  throw new Error('there is none');
};

/** Files after the released one, each a text. */
async function lint(texts: readonly string[], options: LintOptions = { released: 1 }): Promise<Finding[]> {
  const entries = [released, ...texts].map((text, index) => ({ name: `${index + 1}_step.sql`, text }));
  return await lintLane(await readEntries('tenant', entries, noBuilder), options);
}

const rulesOf = (findings: readonly Finding[]) => findings.map((finding) => finding.rule);

const outside = '-- freehold: no-transaction\n';
const contract = '-- freehold: contract requires=1\n';

/** Each rule: what breaks it, alone and nothing else; and how it may be written. */
const examples: Record<RuleId, { bad: string[]; good: string[] }> = {
  'transaction-control': {
    bad: ['do $$ begin perform 1; commit; end $$;', 'do $$ begin rollback ; end $$;'],
    good: ["do $$ begin perform 1; /* commit; */ raise notice 'commit;'; end $$;"],
  },
  'changes-role': {
    bad: [
      'set role postgres;',
      'set local role to x;',
      'reset role;',
      'set session authorization default;',
      "select set_config('role', 'x', false);",
      'reset all;',
      "do $$ begin execute 'set role x'; end $$;",
    ],
    good: ["set local statement_timeout = '1min';"],
  },
  'changes-search-path': {
    bad: ['set search_path to reporting;', "select pg_catalog.set_config('search_path', '', false);"],
    good: ["create function g() returns int language sql set search_path = '' as 'select 1';"],
  },
  'create-extension': {
    bad: ['create extension postgres_fdw;', 'create extension if not exists plpython3u;'],
    good: ['create extension if not exists pg_trgm;', 'create extension "uuid-ossp";'],
  },
  'whole-server': {
    bad: [
      `${outside}create database x;`,
      `${outside}drop database x;`,
      `${outside}alter system set work_mem = '1GB';`,
      'alter database x set work_mem = 1;',
      'set session_replication_role = replica;',
    ],
    good: ['alter table tasks set (fillfactor = 90);'],
  },
  roles: {
    bad: ['create role x;', "alter role x password 'y';", 'drop role x;', 'grant a to b;', 'reassign owned by a to b;'],
    good: ['create schema reporting;'],
  },
  'foreign-grant': {
    bad: [
      'grant select on tasks to public;',
      'grant select on tasks to reporting;',
      'revoke select on tasks from reporting;',
      'alter default privileges grant select on tables to reporting;',
      'alter table tasks owner to x;',
      'alter function f() owner to x;',
    ],
    good: ['revoke all on tasks from public;', 'alter table tasks owner to current_user;'],
  },
  'outside-world': {
    bad: [
      "copy tasks from program 'curl x';",
      "copy tasks to '/tmp/x';",
      "create server s foreign data wrapper postgres_fdw options (host 'x');",
      "load 'auto_explain';",
      "select lo_import('/etc/passwd');",
      'select pg_terminate_backend(1);',
    ],
    good: ['insert into people values (1) on conflict do nothing;'],
  },
  'freehold-own': {
    bad: [
      'delete from pgmigrations where id = 1;',
      'insert into freehold.ledger values (1);',
      `${contract}drop schema freehold cascade;`,
      'alter table freehold.identity add column x text;',
    ],
    good: ['create table freeholds (id bigint primary key);'],
  },
  'definer-search-path': {
    bad: [
      "create function g() returns int language sql security definer as 'select 1';",
      'alter function f() security definer;',
    ],
    good: [
      "create function g() returns int language sql security definer set search_path = public, pg_temp as 'select 1';",
    ],
  },
  'unknown-rule': { bad: ['-- freehold: allow no-such-rule: because\nselect 1;'], good: ['select 1;'] },
  'unused-waiver': {
    bad: ['-- freehold: allow ban-truncate: a cache\nselect 1;'],
    good: ['-- freehold: allow ban-truncate: a cache\ntruncate tasks;'],
  },
  'require-concurrent-index-creation': {
    bad: ['create index i on tasks (title);', 'create unique index if not exists i on public.tasks (title);'],
    good: [
      `${outside}create index concurrently i on tasks (title);`,
      'create table t (id bigint primary key); create index i on t (id);',
      'select * into t from tasks; create index i on t (id);',
    ],
  },
  'require-concurrent-index-deletion': {
    bad: ['drop index tasks_due;'],
    good: [
      `${outside}drop index concurrently tasks_due;`,
      'create table t (a bigint); create index i on t (a); drop index i;',
    ],
  },
  'require-concurrent-reindex': {
    bad: ['reindex table tasks;', 'reindex index tasks_due;'],
    good: [`${outside}reindex table concurrently tasks;`],
  },
  'require-concurrent-partition-detach': {
    bad: ['alter table tasks detach partition old;'],
    good: [`${outside}alter table tasks detach partition old concurrently;`],
  },
  'adding-not-nullable-field': {
    bad: [
      'alter table tasks alter column due_on set not null;',
      'alter table tasks add constraint c check (due_on is not null) not valid; alter table tasks alter due_on set not null;',
    ],
    good: ['create table t (a bigint); alter table t alter a set not null;'],
  },
  'adding-required-field': {
    bad: ['alter table tasks add column x text not null;'],
    good: ["alter table tasks add column x text not null default '';", 'alter table tasks add column x text;'],
  },
  'adding-field-with-default': {
    bad: [
      'alter table tasks add column x uuid default gen_random_uuid();',
      'alter table tasks add column x bigint not null default my_own();',
      'alter table tasks add column x bigint generated always as identity;',
      'alter table tasks add column x bigint generated always as (id * 2) stored;',
    ],
    good: [
      'alter table tasks add column x timestamptz not null default now();',
      'alter table tasks add column x bigint default 7;',
      'create table t (a bigint); alter table t add column x uuid default gen_random_uuid();',
    ],
  },
  'constraint-missing-not-valid': {
    bad: [
      'alter table tasks add constraint c check (id > 0);',
      'alter table tasks add constraint c foreign key (owner_id) references people (id);',
    ],
    good: [
      'alter table tasks add constraint c foreign key (owner_id) references people (id) not valid;',
      'create table t (a bigint references people (id), check (a > 0)); alter table t add constraint c check (a > 1);',
    ],
  },
  'validate-in-same-file': {
    bad: ['alter table tasks add constraint c check (id > 0) not valid; alter table tasks validate constraint c;'],
    good: ['alter table tasks validate constraint made_before;'],
  },
  'disallowed-unique-constraint': {
    bad: [
      'alter table tasks add constraint c unique (title);',
      'alter table people add primary key (id);',
      'alter table tasks add column code text unique;',
    ],
    good: ['alter table tasks add constraint c unique using index i;'],
  },
  'changing-column-type': {
    bad: [
      'alter table tasks alter price type numeric(5,2);',
      'alter table tasks alter id type numeric;',
      'alter table tasks alter title type text using lower(title);',
      'alter table never_seen alter x type text;',
    ],
    good: [
      'alter table tasks alter title type varchar(40);',
      'alter table tasks alter title type text;',
      'alter table tasks alter price type numeric(12,2);',
    ],
  },
  'rewrites-table': {
    bad: [`${outside}vacuum full tasks;`, 'cluster tasks using tasks_due;', 'alter table tasks set unlogged;'],
    good: [`${outside}vacuum (analyze) tasks;`],
  },
  'refresh-not-concurrent': {
    bad: ['refresh materialized view totals;'],
    good: ['refresh materialized view concurrently totals;'],
  },
  'lock-table': { bad: ['lock table tasks in share mode;'], good: ['select 1;'] },
  'changes-lock-timeout': {
    bad: [
      'set lock_timeout = 0;',
      "set local lock_timeout to '1min';",
      'reset lock_timeout;',
      'set lock_timeout to default;',
    ],
    good: ["set local lock_timeout = '500ms';"],
  },
  'ban-drop-table': {
    bad: [
      'drop table tasks;',
      'drop view open_tasks;',
      'drop function f();',
      'drop schema reporting;',
      'drop type if exists t;',
    ],
    good: [
      `${contract}drop table tasks;`,
      'drop view open_tasks; create view open_tasks as select 1 as id;',
      'create table t (a bigint); drop table t;',
    ],
  },
  'ban-drop-column': {
    bad: ['alter table tasks drop column title;'],
    good: [`${contract}alter table tasks drop column title;`],
  },
  renaming: {
    bad: [
      'alter table tasks rename to jobs;',
      'alter table tasks rename column title to name;',
      'alter view open_tasks rename to o;',
      'alter table tasks set schema archive;',
      "alter type mood rename value 'a' to 'b';",
    ],
    good: ['alter index tasks_due rename to i;', 'create table t (a bigint); alter table t rename a to b;'],
  },
  'ban-drop-not-null': {
    bad: ['alter table tasks alter note drop not null;'],
    good: ['create table t (a bigint not null); alter table t alter a drop not null;'],
  },
  'every-row': {
    bad: [
      "update tasks set title = '';",
      'delete from tasks;',
      'with gone as (delete from tasks returning id) select * from gone;',
      'delete from tasks using people;',
    ],
    good: ["update tasks set title = '' where id < 100;", 'create table t (a bigint); update t set a = 1;'],
  },
  'ban-truncate': {
    bad: ['truncate tasks;', 'truncate tasks cascade;'],
    good: ['create table t (a bigint); truncate t;'],
  },
  'identifier-too-long': {
    bad: [`create table ${'t'.repeat(70)} (id bigint);`],
    good: ['create table t (id bigint);'],
  },
  'prefer-bigint-over-int': { bad: ['create table t (id int);'], good: ['create table t (id bigint);'] },
  'prefer-bigint-over-smallint': { bad: ['create table t (id smallint);'], good: ['create table t (id bigint);'] },
  'prefer-identity': {
    bad: ['create table t (id bigserial);'],
    good: ['create table t (id bigint generated by default as identity);'],
  },
  'prefer-text-field': { bad: ['create table t (a varchar(20));'], good: ['create table t (a text);'] },
  'prefer-timestamp-tz': { bad: ['create table t (a timestamp);'], good: ['create table t (a timestamptz);'] },
  'ban-char-field': { bad: ['create table t (a char(2));'], good: ['create table t (a text);'] },
  'ban-create-domain-with-constraint': {
    bad: ["create domain d as text check (value <> '');"],
    good: ['create domain d as text;'],
  },
  'ban-alter-domain-with-add-constraint': {
    bad: ["alter domain d add constraint c check (value <> '');"],
    good: ['alter domain d set default 1;'],
  },
};

describe.each(Object.entries(examples))('M15 %s', (rule, { bad, good }) => {
  test.each(bad)('is found in: %s', async (sql) => {
    const findings = await lint([sql]);
    expect(rulesOf(findings)).toEqual([rule]);
    expect(findings[0]).toMatchObject({ file: '2_step.sql', severity: rules[rule as RuleId].severity, history: false });
    expect(findings[0]?.message).not.toBe('');
  });

  test.each(good)('is not found in: %s', async (sql) => {
    expect(rulesOf(await lint([sql])).filter((found) => found === rule)).toEqual([]);
  });
});

describe('the linter', () => {
  test('every rule has its texts, and the safe way it shows breaks no rule of errors', async () => {
    for (const [id, { why, remedy, example }] of Object.entries(rules)) {
      expect([id, why === '', remedy === '']).toEqual([id, false, false]);
      if (example === '' || /…|freehold: allow|-- next file/.test(example)) continue;
      const wrong = (await lint([example.replace(/requires=\d+/, 'requires=1')])).filter(isBlocking);
      expect([id, rulesOf(wrong)]).toEqual([id, []]);
    }
  });

  test('what is new in the release may be written to at once, also from a later file of it', async () => {
    const made = 'create table t (a bigint);';
    expect(rulesOf(await lint([made, 'create index i on t (a);']))).toEqual([]);
    expect(rulesOf(await lint([made, 'create index i on t (a);'], { released: 2 }))).toEqual([
      'require-concurrent-index-creation',
    ]);
    // Not known what is released: each file by itself, and every one counts.
    expect(rulesOf(await lint([made, 'create index i on t (a);'], {}))).toEqual([
      'prefer-text-field',
      'require-concurrent-index-creation',
    ]);
  });

  test('NOT NULL after a check that was validated in files before is the safe way, and not a finding', async () => {
    const steps = [
      'alter table tasks add constraint c check (due_on is not null) not valid;',
      'alter table tasks validate constraint c;',
      'alter table tasks alter due_on set not null;\nalter table tasks drop constraint c;',
    ];
    expect(rulesOf(await lint(steps))).toEqual([]);
  });

  test('what is released is history: shown when asked for, and refuses nothing', async () => {
    const bad = 'truncate tasks;';
    expect(await lint([bad], { released: 2 })).toEqual([]);
    const shown = await lint([bad], { released: 2, withHistory: true });
    expect(shown.filter((finding) => finding.rule === 'ban-truncate')).toMatchObject([{ history: true }]);
    expect(shown.some(isBlocking)).toBe(false);
  });

  test('a waiver with its reason lets a finding pass and keeps it', async () => {
    const [finding] = await lint(['-- freehold: allow ban-truncate: it is a cache\n\ntruncate tasks;']);
    expect(finding).toMatchObject({ rule: 'ban-truncate', waived: 'it is a cache', line: 3, column: 1 });
    expect(isBlocking(finding as Finding)).toBe(false);
  });

  test('line and column are those of the place in the file, whatever stands before', async () => {
    const sql =
      "-- Up Migration\nselect 'ä';\n\n/* x */ alter table tasks\n  add column a text,\n  add column ü uuid default gen_random_uuid();\n-- Down Migration\nset role x;";
    expect((await lint([sql])).map(({ rule, line, column }) => [rule, line, column])).toEqual([
      ['adding-field-with-default', 6, 14],
      ['changes-role', 8, 1],
    ]);
  });

  test('a way down may take away what the way up has made', async () => {
    expect(await lint(['-- Up Migration\ncreate table t (a bigint);\n-- Down Migration\ndrop table t;\n'])).toEqual([]);
  });

  test('a builder file is judged by the SQL it makes, and the finding says so', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-lint-'));
    try {
      fs.writeFileSync(path.join(folder, '1_a.sql'), released);
      fs.writeFileSync(
        path.join(folder, '2_b.js'),
        "// freehold: allow ban-drop-column: never written\nexport const up = (pgm) => { pgm.addIndex('tasks', 'title'); pgm.dropColumn('tasks', 'note'); };\nexport const down = false;",
      );
      const findings = await lintLane(await readLane('tenant', folder), { released: 1 });
      expect(findings).toMatchObject([
        { file: '2_b.js', rule: 'require-concurrent-index-creation', line: 1, generated: true, waived: null },
        { file: '2_b.js', rule: 'ban-drop-column', generated: true, waived: 'never written' },
      ]);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
