// Owns what the fleet bench compares Freehold with: psql under xargs, node-pg-migrate's command line for each database, its runner
// in one process, and a bare loop that opens a session, sends the whole migration in one message and closes: the floor. All of
// them over the same databases with a password, as the superuser, eight at once, and each keeps one row of what it has applied.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import postgres from 'postgres';
import { eachAtOnce } from './each-at-once.ts';
import type { FleetHouse } from './house.ts';

export const concurrency = 8;

/** @returns milliseconds over all databases, with the start of the processes that it is made of */
export type Rival = (house: FleetHouse, round: number) => Promise<number>;

/** Add a column to a table of 1,000 rows, make a table, make an index. */
export function threeSteps(tag: string): string {
  return `alter table bench_items add column note_${tag} text not null default '';
create table bench_things_${tag} (id bigint generated always as identity primary key, item_id bigint not null, label text);
create index bench_items_${tag} on bench_items (category, price);`;
}

/** What every database has beforehand. */
export const prepared = `create table bench_items (id bigint generated always as identity primary key, category int not null, price numeric not null, name text not null);
insert into bench_items (category, price, name) select i % 20, i * 1.5, 'item ' || i from generate_series(1, 1000) as i;`;

export const psql: Rival = async (house, round) => {
  const file = path.join(house.folder, `psql-${round}.sql`);
  writeFileSync(
    file,
    `${threeSteps(`p${round}`)}\ninsert into bench_versions (by, version) values ('psql', ${round});\n`,
  );
  const { host, port, user } = house.server;
  return underXargs(house, house.databases, [
    ...['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', host, '-p', String(port), '-U', user],
    ...['-1', '-f', file, '-d', '{}'],
  ]);
};

/** Of a subset: a run over all would take minutes. The time is scaled to all of them, which flatters neither side. */
export function commandLine(databases: number): Rival {
  return async (house, round) => {
    const folder = migrationFolder(house, 'cli', round);
    const bin = fileURLToPath(new URL('../../bin/node-pg-migrate.js', import.meta.resolve('node-pg-migrate')));
    const some = house.databases.slice(0, databases);
    const ms = await underXargs(
      house,
      some.map((database) => urlOf(house, database)),
      ['env', 'DATABASE_URL={}', process.execPath, bin, 'up', '-m', folder, '-t', 'bench_cli', '--verbose', 'false'],
    );
    return (ms * house.databases.length) / some.length;
  };
}

export const runnerInProcess: Rival = async (house, round) => {
  const dir = migrationFolder(house, 'runner', round);
  return timed(() =>
    eachAtOnce(house.databases, concurrency, (database) =>
      runner({
        databaseUrl: urlOf(house, database),
        dir,
        direction: 'up',
        migrationsTable: 'bench_runner',
        count: Number.POSITIVE_INFINITY,
        log: () => {},
      }),
    ),
  );
};

export const floor: Rival = async (house, round) => {
  const message = `${threeSteps(`f${round}`)}\ninsert into bench_versions (by, version) values ('floor', ${round});`;
  return timed(() =>
    eachAtOnce(house.databases, concurrency, async (database) => {
      const sql = postgres(urlOf(house, database), { max: 1, fetch_types: false, onnotice: () => {} });
      await sql.unsafe(message).simple();
      await sql.end();
    }),
  );
};

/** One more file each round, as a team's folder grows. */
function migrationFolder({ folder }: FleetHouse, name: string, round: number): string {
  const dir = path.join(folder, name);
  mkdirSync(dir, { recursive: true });
  const text = `-- Up Migration\n${threeSteps(`${name[0]}${round}`)}\n-- Down Migration\n`;
  writeFileSync(path.join(dir, `${1_700_000_000_000 + round}_three-steps.sql`), text);
  return dir;
}

function urlOf({ server }: FleetHouse, database: string): string {
  return `postgres://${server.user}:${encodeURIComponent(server.password)}@${server.host}:${server.port}/${database}`;
}

function underXargs({ server }: FleetHouse, lines: readonly string[], command: readonly string[]): Promise<number> {
  return timed(async () => {
    const child = spawn('xargs', [`-P${concurrency}`, '-I{}', ...command], {
      env: { PATH: process.env.PATH, PGPASSWORD: server.password, PGOPTIONS: '-c client_min_messages=warning' },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.stdin.end(`${lines.join('\n')}\n`);
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`xargs ${command[0]} ended with ${code}`);
  });
}

export async function timed(act: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await act();
  return performance.now() - startedAtMs;
}
