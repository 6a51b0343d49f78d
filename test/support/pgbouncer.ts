// Owns real PgBouncers for tests: each in front of one server with Freehold installed, set up by deploy/pgbouncer.ini. Suites go
// through describeWith('pgbouncer', …).
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { poolerRole } from '../../control-plane/postgres/cluster-names.ts';
import { serverAccount } from '../../platform/embedded-postgres/account.ts';
import { createTestFolder, freePort } from './clusters.ts';
import { findComponent } from './components.ts';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';
import { waitUntil } from './wait-until.ts';

export type TestPgbouncer = {
  readonly port: number;
  /** As a cluster has it. */
  readonly url: string;
  /** A PgBouncer before 1.19 cannot ask the cluster who may log in: it is told of every login that the cluster would tell of. */
  admitLogins(): Promise<void>;
  /** One command to its console. */
  console<R = Record<string, unknown>>(command: string): Promise<R[]>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** After kill, on the same port. */
  start(): Promise<void>;
  remove(): Promise<void>;
};

const password = 'only-in-tests-pooler';
const consolePassword = 'only-in-tests-console';

/** @param settings beside those of deploy/pgbouncer.ini, or in their place */
export async function startPgbouncer(
  server: ServerAddress,
  settings: Record<string, string> = {},
): Promise<TestPgbouncer> {
  const program = findComponent('pgbouncer');
  if (program === undefined) throw new Error('pgbouncer is not installed; wrap the suite in describeWith');
  await superuserSql({ ...server, database: 'postgres' }, `alter role ${poolerRole} password '${password}'`);
  const asksServer = versionOf(program) >= 1.19;
  const folder = createTestFolder();
  const port = await freePort();
  const [ini, users] = [path.join(folder, 'pgbouncer.ini'), path.join(folder, 'users.txt')];
  const ownUsers = `"${poolerRole}" "${password}"\n"console" "${consolePassword}"\n`;
  const asking = asksServer ? {} : { auth_user: undefined, auth_dbname: undefined, auth_query: undefined };
  const own = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    auth_file: users,
    admin_users: 'console',
    ...asking,
    ...settings,
  };
  fs.writeFileSync(ini, iniText(server, own));
  fs.writeFileSync(users, ownUsers);
  const console = <R>(command: string) => askConsole<R>(port, command);
  const start = () => launch(program, ini, console);
  let child = await start();
  return {
    port,
    url: `postgres://127.0.0.1:${port}`,
    console,
    async admitLogins() {
      if (asksServer) return;
      const logins = await verifiers(server);
      fs.writeFileSync(users, ownUsers + logins.map(({ usename, passwd }) => `"${usename}" "${passwd}"\n`).join(''));
      await console('RELOAD');
    },
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    async start() {
      child = await start();
    },
    async remove() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the auth_query answers, asked as the pooler asks. */
async function verifiers(server: ServerAddress): Promise<{ usename: string; passwd: string }[]> {
  const names = await superuserSql<{ name: string }>(
    { ...server, database: 'postgres' },
    `select rolname as name from pg_roles where rolname ~ '^t_.*_(app_a|app_b|ro)$'`,
  );
  return superuserSql(
    { ...server, database: 'freehold_admin', user: poolerRole, password },
    'select l.* from unnest($1::text[]) as name, freehold.pooler_login(name) as l',
    [names.map(({ name }) => name)],
  );
}

function iniText(server: ServerAddress, own: Record<string, string | undefined>): string {
  const example = fs.readFileSync(new URL('../../deploy/pgbouncer.ini', import.meta.url), 'utf8');
  const kept = example.split('\n').filter((line) => !((line.split(' = ')[0] as string) in own));
  const added = Object.entries(own).flatMap(([name, value]) => (value === undefined ? [] : [`${name} = ${value}`]));
  return [...kept, ...added, '']
    .join('\n')
    .replace('host=cluster-eu port=5432', `host=${server.host} port=${server.port}`);
}

async function launch(
  program: string,
  ini: string,
  console: (command: string) => Promise<unknown>,
): Promise<ChildProcess> {
  // Like PostgreSQL it refuses to run as root.
  const child = spawn(program, [ini], { stdio: ['ignore', 'pipe', 'pipe'], ...serverAccount() });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-2000);
    });
  }
  const answers = async () => {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${output}`);
    return console('SHOW VERSION').then(
      () => true,
      () => false,
    );
  };
  await waitUntil(answers, { what: 'pgbouncer to answer' });
  return child;
}

async function askConsole<R>(port: number, command: string): Promise<R[]> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    database: 'pgbouncer',
    user: 'console',
    password: consolePassword,
  });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(command)).rows as R[];
  } finally {
    await client.end();
  }
}

function versionOf(program: string): number {
  const [, version = '0'] =
    /PgBouncer (\d+\.\d+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' })) ?? [];
  return Number(version);
}
