// Files of a lane: what is refused when it is read, and what is planned for a database.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readDirectives } from '../../control-plane/migration-files/directives.ts';
import { laneHash } from '../../control-plane/migration-files/lane-hash.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { runProgram } from '../../control-plane/migration-files/run-program.ts';
import { defaultBookkeeping } from '../../control-plane/postgres/bookkeeping-table.ts';
import { type AppliedFile, fileAt, planMigration } from '../../control-plane/postgres/plan-migration.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-lane-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const write = (name: string, text: string) => fs.writeFileSync(path.join(folder, name), text);
const load = (): Promise<Lane> => readLane('tenant', folder);

test('reads files in order and keeps the up part only', async () => {
  write('20260102000000000_b.sql', '-- Up Migration\nselect 2;\n-- Down Migration\nselect -2;\n');
  write('20260101000000000_a.sql', '-- why\n-- Up Migration\nselect 1;\n');
  write('schema.sql', 'generated');
  const lane = await load();
  expect(lane.files.map((file) => file.name)).toEqual(['20260101000000000_a', '20260102000000000_b']);
  expect(lane.version).toBe('20260102000000000');
  expect(lane.files[1]?.up.statements.join('')).not.toContain('-2');
  expect(lane.hash).toBe(laneHash(lane.files));
});

test.each([
  ['20260101000000000_a.js', 'export const nothing = 1;', 'exports no function "up"'],
  ['20260101000000000_a.ts', 'export const up = (pgm) => { pgm.sql(', 'cannot be loaded'],
  [
    '20260101000000000_a.js',
    'export const up = (pgm) => { pgm.sql("select 1; commit"); };',
    'in the SQL it makes, line 1: it controls the transaction',
  ],
  ['a_2026.sql', 'select 1;', 'is not named'],
  ["20260101000000000_a'b.sql", 'select 1;', 'is not named'],
  ['20260101000000000_a.down.sql', 'select 1;', 'no .up.sql'],
  ['20260101000000000_a.sql', '-- Up Migration\n-- nothing\n-- Down Migration\nselect 1;', 'nothing under'],
  ['20260101000000000_a.sql', '-- Up Migration\nselect 1;\nselec 2;', 'line 3, column 1'],
  ['20260101000000000_a.sql', '-- freehold: no-transactoin\nselect 1;', 'line 1'],
  ['20260101000000000_a.sql', 'select 1;\ncommit; select 2;', 'line 2: it controls the transaction'],
  ['20260101000000000_a.sql', '/* x */ BEGIN; select 1; END;', 'controls the transaction'],
  ['20260101000000000_a.sql', '-- freehold: no-transaction\nselect 1; commit;', 'controls the transaction'],
  ['20260101000000000_a.sql', 'create index concurrently i on t (a);', 'cannot run in a transaction'],
  ['20260101000000000_a.sql', 'select 1;\nreindex index concurrently i;', 'line 2: REINDEX CONCURRENTLY'],
  ['20260101000000000_a.sql', 'vacuum;', 'cannot run in a transaction'],
  ['20260101000000000_a.sql', 'reindex database;', 'REINDEX DATABASE cannot'],
  ['20260101000000000_a.sql', 'reindex system;', 'REINDEX SYSTEM cannot'],
  ['20260101000000000_a.sql', 'reindex schema public;', 'REINDEX SCHEMA cannot'],
  ['20260101000000000_a.sql', 'cluster;', 'CLUSTER without a table cannot'],
  ['20260101000000000_a.sql', 'discard all;', 'DISCARD ALL cannot'],
  ['20260101000000000_a.sql', "create subscription s connection 'x' publication p;", 'CREATE SUBSCRIPTION cannot'],
  ['20260101000000000_a.sql', 'alter subscription s refresh publication;', 'ALTER SUBSCRIPTION cannot'],
  ['20260101000000000_a.sql', 'drop subscription s;', 'DROP SUBSCRIPTION cannot'],
  ['20260101000000000_a.sql', 'select 1;\n-- freehold: irreversible\nselect 2;', 'line 2: this belongs at the head'],
  ['20260101000000000_a.sql', 'select 1;\n-- freehold: no-transaction', 'line 2: this belongs at the head'],
])('%s with %j is refused by name', async (name, text, why) => {
  write(name, text);
  await expect(load()).rejects.toMatchObject({ code: 'migration_invalid', message: expect.stringContaining(why) });
});

describe('a program that asks the database', () => {
  const asks = 'export const up = async (pgm) => { await pgm.db.query("select 1"); };';
  test('is kept with what it imports, whatever becomes of the folder', async () => {
    fs.mkdirSync(path.join(folder, 'names'));
    write('names/table.ts', "import more from '../names/more.json';\nexport const table: string = more.table;");
    write('names/more.json', '{ "table": "made" }');
    write(
      '20260101000000000_a.ts',
      `import { table } from './names/table';\nexport const up = async (pgm) => {
      const [{ n }] = await pgm.db.select('select 1 as n'); pgm.createTable(table + n, { id: 'id' }); };`,
    );
    const [file] = (await load()).files;
    expect(Object.keys(file?.program?.sources ?? {}).sort()).toEqual([
      '20260101000000000_a.ts',
      'names/more.json',
      'names/table.ts',
    ]);
    fs.rmSync(folder, { recursive: true });
    const stored = JSON.parse(JSON.stringify(file)) as NonNullable<typeof file>;
    const database = { query: async () => ({ rows: [{ n: 7 }], rowCount: 1 }), script: async () => {} };
    const made = await runProgram(stored, 'up', database);
    expect(made.statements.join('')).toContain('CREATE TABLE "made7"');
    fs.mkdirSync(folder);
  });

  test.each([
    ['a file named while it runs', `const at = './names/' + 'x'; require(at + '.js');\n${asks}`, 'did not come along'],
    ['more than a release keeps', `import './big.js';\n${asks}`, 'a release cannot keep that'],
  ])('is refused by name where it imports %s', async (_, text, why) => {
    fs.mkdirSync(path.join(folder, 'names'));
    write('names/x.js', 'module.exports = 1;');
    write('names/big.js', `// ${'x'.repeat(1_100_000)}`);
    write('20260101000000000_a.js', text.replace('./big', './names/big'));
    await expect(load()).rejects.toMatchObject({ code: 'migration_invalid', message: expect.stringContaining(why) });
  });

  test('two databases share nothing that it keeps', async () => {
    write(
      '20260101000000000_a.js',
      `let seen = 0;\nexport const up = async (pgm) => { await pgm.db.query('select 1'); seen += 1; pgm.sql('select ' + seen); };`,
    );
    const [file] = (await load()).files;
    const database = { query: async () => ({ rows: [], rowCount: 0 }), script: async () => {} };
    for (const _ of [1, 2])
      expect((await runProgram(file as NonNullable<typeof file>, 'up', database)).statements.join('')).toContain(
        'select 1',
      );
  });
});

describe('M05 a builder file that imports others beside it', () => {
  const builder =
    "import { table } from './names/table';\nexport const up = (pgm) => pgm.createTable(table, { id: 'id' });";
  const hashAndSql = async () => {
    const [file] = (await load()).files;
    return { hash: file?.hash, sql: file?.up.statements.join('') };
  };

  test('is another file when one of them was edited, also one that is imported by them, and makes what it says now', async () => {
    fs.mkdirSync(path.join(folder, 'names'));
    write('20260101000000000_a.ts', builder);
    write('names/table.ts', "import more from './more.json';\nexport const table: string = `${more.table}_1`;");
    write('names/more.json', '{ "table": "one" }');
    const first = await hashAndSql();
    expect(await hashAndSql()).toEqual(first);
    expect(first.sql).toContain('"one_1"');
    write('names/more.json', '{ "table": "two" }');
    const second = await hashAndSql();
    expect(second.sql).toContain('"two_1"');
    write('names/table.ts', "import more from './more.json';\nexport const table: string = `${more.table}_2`;");
    const third = await hashAndSql();
    expect(third.sql).toContain('"two_2"');
    write('names/unused.ts', 'export const nothing = 1;');
    expect(await hashAndSql()).toEqual(third);
    expect(new Set([first, second, third].map((each) => each.hash)).size).toBe(3);
  });

  test('keeps the hash of its text where it imports nothing but packages and types', async () => {
    const text = `import type { Table } from './names/table';\nimport { sep } from 'node:path';
export const up = (pgm) => pgm.sql(\`select '\${sep}'\`);`;
    write('20260101000000000_a.ts', text);
    expect((await load()).files[0]?.hash).toBe(createHash('sha256').update(text).digest('hex'));
  });

  test('in a circle, and with a neighbour that only the loader can read, is read', async () => {
    fs.mkdirSync(path.join(folder, 'names'));
    write('names/table.js', "require('./other.js'); exports.table = 'round';");
    write('names/other.js', "require('./table.js'); try { require('./gone.js'); } catch {}");
    write('20260101000000000_a.js', builder);
    expect((await hashAndSql()).sql).toContain('"round"');
  });
});

test('a directive counts at the head of the file or of a section, and nowhere in a text', async () => {
  const said = `-- why\n\n-- freehold: no-transaction\n-- Up Migration\n-- freehold: contract requires=7\nvacuum;
-- freehold: allow some-rule: because\nvacuum;\n-- Down Migration\n-- freehold: irreversible\nselect 1;`;
  expect(readDirectives(said)).toEqual({
    noTransaction: true,
    irreversible: true,
    contractRequires: '7',
    waivers: [{ rule: 'some-rule', reason: 'because', line: 7 }],
  });
  const only = '-- freehold: irreversible';
  for (const text of [
    `insert into t values ('\n${only}\n');`,
    `create function f() returns int language sql as $x$\n${only}\nselect 1 $x$;`,
    `/*\n${only}\n*/ select 1;`,
    `export const up = (pgm) => pgm.sql(\`\n${only}\n\`);`,
  ])
    expect(readDirectives(text)).toMatchObject({ irreversible: false, waivers: [] });
  expect(readDirectives(`select 1;\n${only}\n-- Down Migration\nselect 2;`).irreversible).toBe(true);
  expect(readDirectives(`// freehold: irreversible\nexport const up = () => {};`).irreversible).toBe(true);
});

test('two files with one stamp, an empty folder and a missing one are refused', async () => {
  await expect(load()).rejects.toMatchObject({ code: 'migration_invalid' });
  write('20260101000000000_a.sql', 'select 1;');
  write('20260101000000000_b.sql', 'select 1;');
  await expect(load()).rejects.toMatchObject({ message: expect.stringContaining('same time stamp') });
  await expect(readLane('tenant', path.join(folder, 'none'))).rejects.toMatchObject({ code: 'migration_invalid' });
});

describe('a plan', () => {
  const frame = {
    owner: 't_x_own',
    run: 'run',
    actor: 'test',
    lockTimeoutMs: 1_000,
    statementTimeoutMs: 1_000,
    bookkeeping: defaultBookkeeping,
  };
  const planOf = (lane: Lane, there: readonly AppliedFile[]) =>
    planMigration({ lanes: [lane], applied: there, withActor: true, bookkeeping: defaultBookkeeping, frame });
  const file = (name: string) => ({
    name,
    hash: name.slice(-1).repeat(64),
    up: { transaction: true, statements: [`select '${name}';`] },
    down: null,
    program: null,
    contractRequires: null,
  });
  const files = [file('20260101000000000_a'), file('20260102000000000_b')];
  const lane: Lane = { name: 'tenant', files, version: '20260102000000000', hash: laneHash(files) };
  const applied = files.map(({ name, hash }) => ({ lane: 'tenant' as const, name, hash }));

  test('is what is missing, and nothing when nothing is', () => {
    expect(planOf(lane, []).files.map((each) => each.name)).toEqual(files.map((each) => each.name));
    expect(planOf(lane, applied.slice(0, 1)).files.map((each) => each.name)).toEqual([files[1]?.name]);
    expect(planOf(lane, applied).files).toEqual([]);
  });

  test.each([
    ['an edited file', [{ ...applied[0], hash: 'f'.repeat(64) }], 'edited after'],
    [
      'a missing file',
      [applied[0], { lane: 'tenant', name: '20260103000000000_c', hash: 'c' }],
      'missing from the folder',
    ],
    ['a file that comes late', [applied[1]], 'comes before'],
  ])('refuses %s', (_, there, why) => {
    expect(() => planOf(lane, there as never)).toThrow(why);
  });

  test('ends a message behind a file that adds a value to an enum', () => {
    const adds = {
      ...file('20260101000000000_a'),
      up: { transaction: true, statements: ["alter type t add value 'x';"] },
    };
    const plan = planOf({ ...lane, files: [adds, ...files.slice(1)] }, []);
    expect(plan.files.map((each) => each.name)).toEqual(['20260101000000000_a']);
    expect(plan.message).not.toContain('20260102000000000_b');
  });

  test('knows the file and line of a position', () => {
    const plan = planOf(lane, []);
    const position = plan.message.indexOf(`'20260102000000000_b'`) + 1;
    expect(fileAt(plan, position)).toMatchObject({ file: { name: '20260102000000000_b' }, line: 1 });
    expect(fileAt(plan, 5)).toBeUndefined();
  });
});

describe('a text made to be slow', () => {
  // Each took minutes or never ended where a pattern or a position was looked for again from every place.
  const n = 200_000;
  test.each<[what: string, text: string, why: string | undefined]>([
    ['comments that do not end', `select 1; ${'/*'.repeat(n)}`, 'comments nest too deep'],
    ['empty comments', `${'--\n'.repeat(n)}select 1;`, undefined],
    ['empty lines', `${'\n'.repeat(n)}select 1;`, undefined],
    ['quotes and backslashes', `select 1; ${"'\\".repeat(n)}`, 'line 1, column'],
    ['blanks in a directive', `-- freehold: allow a: ${' '.repeat(n)}x\nselect 1;`, undefined],
    ['many statements', 'select 1;\n'.repeat(n), 'more than 20000 statements'],
    ['many statements beside wide characters', "select 'ü';\n".repeat(15_000), undefined],
    [
      'many statements without a transaction',
      `-- freehold: no-transaction\n${'select 1;\n'.repeat(15_000)}`,
      'split it',
    ],
    ['a deep expression', `select 1${'+1'.repeat(n)};`, 'Lane tenant'],
    ['deep parentheses', `select ${'('.repeat(n)}1`, 'memory exhausted'],
  ])('%s is read or refused at once, and the parser goes on', { timeout: 20_000 }, async (_, text, why) => {
    write('20260101000000000_a.sql', text);
    if (why === undefined) expect((await load()).files).toHaveLength(1);
    else
      await expect(load()).rejects.toMatchObject({ code: 'migration_invalid', message: expect.stringContaining(why) });
    write('20260101000000000_a.sql', 'select 1;');
    expect((await load()).files).toHaveLength(1);
  });
});
