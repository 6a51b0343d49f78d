// The embedded server against everything a developer's machine does to it: crashes, killed parents, taken ports, bad folders.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { canReach, type ServerAccount, serverAccount } from '../../platform/embedded-postgres/account.ts';
import type { EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import {
  createTestFolder,
  freePort,
  type ServerAddress,
  startPrivateCluster,
  startTestServer,
  waitUntil,
} from '../support/clusters.ts';
import { superuserSql } from '../support/superuser-sql.ts';

const folder = createTestFolder();
const moduleUrl = new URL('../../platform/embedded-postgres.ts', import.meta.url).href;

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('start and stop', () => {
  test('a new folder becomes a server with scram, one address, no socket, and ends when told', async () => {
    const server = await startTestServer(path.join(folder, 'fresh'));
    try {
      const [row] = await superuserSql(
        server.address,
        `SELECT current_setting('listen_addresses') AS listen, current_setting('unix_socket_directories') AS sockets,
                current_setting('password_encryption') AS encryption, current_setting('max_connections') AS connections,
                (SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = 'postgres') AS locale,
                (SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres') AS scram`,
      );
      expect(row).toEqual({
        listen: '127.0.0.1',
        sockets: '',
        encryption: 'scram-sha-256',
        connections: '400',
        locale: 'b C.UTF-8',
        scram: true,
      });
      await expect(superuserSql({ ...server.address, password: 'wrong' }, 'SELECT 1')).rejects.toMatchObject({
        code: '28P01',
      });
    } finally {
      await server.stop();
    }
    expect(await server.exited).toEqual({ code: 0, signal: null, asked: true });
    await server.stop(); // harmless
    expect(fs.existsSync(path.join(server.dataDir, 'postmaster.pid'))).toBe(false);
  });

  test('data, ALTER SYSTEM and a new hba outlive a restart', async () => {
    const cluster = await startPrivateCluster({ parameters: { 'freehold.mark': "it's \\ here" } });
    try {
      await superuserSql(cluster.address, 'CREATE TABLE kept (n int)');
      await superuserSql(cluster.address, "ALTER SYSTEM SET work_mem = '7MB'");
      await cluster.stop();
      await cluster.start();
      const [row] = await superuserSql(
        cluster.address,
        "SELECT count(*)::int AS n, current_setting('work_mem') AS memory, current_setting('freehold.mark') AS mark FROM kept",
      );
      expect(row).toEqual({ n: 0, memory: '7MB', mark: "it's \\ here" });
    } finally {
      await cluster.remove();
    }
  });

  test('the hba option replaces the file', async () => {
    const hba = 'host postgres postgres 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject';
    const cluster = await startPrivateCluster({ hba });
    try {
      expect(await superuserSql(cluster.address, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await expect(superuserSql({ ...cluster.address, database: 'template1' }, 'SELECT 1')).rejects.toMatchObject({
        code: '28000',
      });
    } finally {
      await cluster.remove();
    }
  });
});

describe('crashes', () => {
  test('a killed server starts again in the same folder with what was committed', async () => {
    const cluster = await startPrivateCluster({ parameters: { fsync: 'on', synchronous_commit: 'on' } });
    try {
      await superuserSql(cluster.address, 'CREATE TABLE kept AS SELECT 7 AS n');
      await cluster.kill();
      await cluster.start();
      expect(await superuserSql(cluster.address, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    } finally {
      await cluster.remove();
    }
  });

  test('a server whose parent was killed is stopped by its pid and started anew', async () => {
    const dataDir = path.join(folder, 'orphan');
    const parent = await startInOtherProcess(dataDir);
    parent.child.kill('SIGKILL');
    await once(parent.child, 'exit');
    expect(isRunning(parent.serverPid)).toBe(true);
    const lines: string[] = [];
    const server = await startTestServer(dataDir, { log: (line) => lines.push(line) });
    try {
      expect(lines[0]).toContain(`stopping PostgreSQL (process ${parent.serverPid})`);
      expect(server.pid).not.toBe(parent.serverPid);
      await waitUntil(() => !isRunning(parent.serverPid), { what: 'the old server to be gone' });
      expect(await superuserSql(server.address, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await server.stop('immediate');
    }
  });

  test('a server whose parent lives is left alone, and the second start says who has it', async () => {
    const dataDir = path.join(folder, 'shared');
    const parent = await startInOtherProcess(dataDir);
    try {
      await expect(startTestServer(dataDir)).rejects.toMatchObject({
        code: 'embedded_postgres_in_use',
        message: expect.stringContaining(String(parent.serverPid)),
      });
      expect(isRunning(parent.serverPid)).toBe(true);
    } finally {
      parent.child.stdin?.end();
      await once(parent.child, 'exit');
    }
  });

  test('a pid file that names a stranger is no obstacle, and the stranger is not harmed', async () => {
    const dataDir = path.join(folder, 'stale');
    await (await startTestServer(dataDir)).stop();
    // As the account of the server: only such a process makes PostgreSQL itself refuse to start.
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore', ...serverAccount() });
    try {
      fs.writeFileSync(
        path.join(dataDir, 'postmaster.pid'),
        `${stranger.pid}\n${dataDir}\n1\n5432\n\n127.0.0.1\n0 0\nready   \n`,
      );
      const server = await startTestServer(dataDir);
      await server.stop('immediate');
      expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null]);
    } finally {
      stranger.kill();
      await once(stranger, 'exit');
    }
  });

  test('backends that outlive a killed server are waited for, not run over', async () => {
    const dataDir = path.join(folder, 'outlived');
    const parent = await startInOtherProcess(dataDir);
    // A loop without a wait in it does not notice the death of the server before its end, a second or two later.
    const busy = 'DO $$ BEGIN FOR i IN 1..300000000 LOOP NULL; END LOOP; END $$';
    const query = superuserSql(parent.address, busy).catch((error: unknown) => error);
    const look = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %'";
    const backend = await waitUntil(async () => (await superuserSql<{ pid: number }>(parent.address, look))[0], {
      what: 'the busy backend',
    });
    parent.child.kill('SIGKILL');
    process.kill(parent.serverPid, 'SIGKILL');
    expect(isRunning(backend.pid)).toBe(true);
    const server = await startTestServer(dataDir);
    try {
      expect(isRunning(backend.pid)).toBe(false);
      await query; // the orphan may even have finished and answered
      expect(await superuserSql(server.address, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await server.stop('immediate');
    }
  });
});

describe('what is refused', () => {
  test('a port that is taken, and nothing is left running', async () => {
    const port = await freePort();
    const squatter = net.createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const dataDir = path.join(folder, 'port');
    try {
      await expect(startTestServer(dataDir, { port })).rejects.toMatchObject({ code: 'embedded_postgres_port_in_use' });
      expect(fs.existsSync(path.join(dataDir, 'postmaster.pid'))).toBe(false);
    } finally {
      squatter.close();
      await once(squatter, 'close');
    }
  });

  test('a folder of something else, and it is not touched', async () => {
    const dataDir = path.join(folder, 'letters');
    fs.mkdirSync(dataDir);
    fs.writeFileSync(path.join(dataDir, 'letter.txt'), 'dear');
    await expect(startTestServer(dataDir)).rejects.toMatchObject({ code: 'embedded_postgres_data_dir' });
    expect(fs.readdirSync(dataDir)).toEqual(['letter.txt']);
  });

  test('a folder of another major version', async () => {
    const dataDir = path.join(folder, 'old');
    await (await startTestServer(dataDir)).stop();
    fs.writeFileSync(path.join(dataDir, 'PG_VERSION'), '15\n');
    await expect(startTestServer(dataDir)).rejects.toMatchObject({
      message: expect.stringContaining('PostgreSQL 15, this is 18'),
    });
  });

  test('a parameter the server does not know: the server’s own words are in the message', async () => {
    await expect(
      startTestServer(path.join(folder, 'typo'), { parameters: { max_conections: '3' } }),
    ).rejects.toMatchObject({
      code: 'embedded_postgres_failed',
      message: expect.stringContaining('max_conections'),
    });
  });

  test('a parameter that would write a second line into the file', async () => {
    const parameters = { work_mem: "1MB'\nssl = on" };
    await expect(startTestServer(path.join(folder, 'typo'), { parameters })).rejects.toMatchObject({
      code: 'embedded_postgres_data_dir',
    });
  });
});

const nobody = { uid: 65_534, gid: 65_534 };
const nobodyCanRunUs =
  process.getuid?.() === 0 &&
  canReach(nobody, process.execPath) &&
  canReach(nobody, fileURLToPath(moduleUrl).replace(/[^/]*$/, ''));

test.runIf(nobodyCanRunUs)('an ordinary user starts one from a node_modules he may only read', async () => {
  const dataDir = path.join(folder, 'ordinary', 'data');
  fs.mkdirSync(path.dirname(dataDir));
  fs.chownSync(path.dirname(dataDir), nobody.uid, nobody.gid);
  const parent = await startInOtherProcess(dataDir, nobody);
  expect(fs.statSync(dataDir).uid).toBe(nobody.uid);
  parent.child.stdin?.end();
  await once(parent.child, 'exit');
  expect(isRunning(parent.serverPid)).toBe(false);
});

type OtherProcess = { child: ChildProcess; serverPid: number; address: ServerAddress };

/** Starts the server from a process of its own, which stops it in order when its stdin ends. */
async function startInOtherProcess(dataDir: string, account: ServerAccount = undefined): Promise<OtherProcess> {
  const options: Parameters<typeof startEmbeddedPostgres>[0] = {
    dataDir,
    superuserPassword: 'only-in-tests',
    parameters: { fsync: 'off' },
  };
  const program = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(moduleUrl)});
    const server = await startEmbeddedPostgres(${JSON.stringify(options)});
    console.log('started ' + JSON.stringify({ serverPid: server.pid, address: server.address }));
    process.stdin.resume().once('end', () => server.stop('immediate'));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...account,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const started = await waitUntil(
    () => {
      if (child.exitCode !== null) throw new Error(`the other process ended: ${child.exitCode}`);
      return /started (.+)\n/.exec(output)?.[1];
    },
    { what: 'a server started by another process', timeoutMs: 20_000 },
  );
  return { child, ...(JSON.parse(started) as Omit<OtherProcess, 'child'>) };
}

/** A zombie does not run; where nobody reaps orphans it stays for ever. */
function isRunning(pid: EmbeddedPostgres['pid']): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
