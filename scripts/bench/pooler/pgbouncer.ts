// Owns a PgBouncer for a bench, set up by deploy/pgbouncer.ini. The logins are written into its file, so that any version serves.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { serverAccount } from '../../../platform/embedded-postgres/account.ts';
import { freePort } from '../../../platform/free-port.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { openSession } from '../../../platform/postgres/session.ts';
import { connectTransport } from '../../../platform/postgres/transport.ts';

export type BenchPgbouncer = { url: string; stop(): Promise<void> };

/** @param server the superuser's way in. @throws when the program is not installed */
export async function startBenchPgbouncer(folder: string, server: PostgresAddress): Promise<BenchPgbouncer> {
  const port = await freePort();
  const [ini, users] = [path.join(folder, 'pgbouncer.ini'), path.join(folder, 'pgbouncer-users.txt')];
  const example = fs.readFileSync(new URL('../../../deploy/pgbouncer.ini', import.meta.url), 'utf8');
  const kept = example
    .split('\n')
    .filter((line) => !/^(auth_user|auth_dbname|auth_query|auth_file|listen_addr|listen_port) /.test(line));
  const own = ['listen_addr = 127.0.0.1', `listen_port = ${port}`, `auth_file = ${users}`, ''];
  fs.writeFileSync(
    ini,
    [...kept, ...own].join('\n').replace('host=cluster-eu port=5432', `host=${server.host} port=${server.port}`),
  );
  fs.writeFileSync(users, await loginsOf(server), { mode: 0o600 });
  const account = serverAccount();
  if (account !== undefined) for (const file of [ini, users]) fs.chownSync(file, account.uid, account.gid);
  const child = spawn('pgbouncer', ['--quiet', ini], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'inherit'],
    ...account,
  });
  await untilListening(child, { ...server, host: '127.0.0.1', port });
  return {
    url: `postgres://127.0.0.1:${port}`,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function loginsOf(server: PostgresAddress): Promise<string> {
  const session = await openSession(server, { applicationName: 'bench' });
  const { rows } = await session.query<{ name: string; verifier: string }>(
    `select rolname as name, rolpassword as verifier from pg_authid where rolname ~ '^t_.*_(app_a|app_b|ro)$'`,
  );
  await session.close();
  return rows.map(({ name, verifier }) => `"${name}" "${verifier}"\n`).join('');
}

async function untilListening(child: ChildProcess, address: PostgresAddress): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) throw new Error('pgbouncer ended');
    const socket = await connectTransport(address, 1_000).catch(() => undefined);
    socket?.destroy();
    if (socket !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('pgbouncer does not listen');
}
