// Owns a PostgreSQL server that runs as a child of this process, so that a fresh clone needs no server of its own.
// It listens on 127.0.0.1 only, has no unix socket and trusts nobody without SCRAM. It stands in its own process group:
// Ctrl-C reaches us, not it, and the program drains before it calls stop(). A server left behind by a killed program is
// stopped at the next start in its folder. No driver is used here: readiness is read from postmaster.pid.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServerAccount, serverAccount } from './embedded-postgres/account.ts';
import { findBinaries, type PostgresBinaries } from './embedded-postgres/binaries.ts';
import { prepareDataDir, serverEnvironment, writeSettings } from './embedded-postgres/data-dir.ts';
import { embeddedPostgresFault } from './embedded-postgres/faults.ts';
import { clearLeftover, readPidFile, recordOwner, type SendSignal } from './embedded-postgres/leftover-server.ts';
import { freePort } from './free-port.ts';

export type EmbeddedPostgresOptions = {
  /** Made by initdb when it does not exist. Must stay with the same superuser password and the same user of the machine. */
  dataDir: string;
  /** A free one when absent. */
  port?: number;
  superuserPassword: string;
  /** On top of defaultParameters. */
  parameters?: Record<string, string>;
  /** Replaces pg_hba.conf. */
  hba?: string;
  /** Every line the server writes. */
  log?: (line: string) => void;
  /** A start after a crash replays its log first. */
  startTimeoutMs?: number;
};

export type EmbeddedPostgres = {
  /** The superuser, database postgres. */
  readonly address: { host: string; port: number; database: string; user: string; password: string };
  readonly dataDir: string;
  readonly pid: number;
  /** Resolves when the server and its last backend have ended, whoever ended them; `asked` when it was stop or kill. */
  readonly exited: Promise<{ code: number | null; signal: string | null; asked: boolean }>;
  /** `fast` ends sessions and writes a checkpoint, `immediate` is a crash without the loss. Harmless when already stopped. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL to the postmaster: a crash. Its backends notice and end by themselves. */
  kill(): void;
};

/** For a machine that also runs everything else; a caller's parameters win. */
export const defaultParameters: Readonly<Record<string, string>> = {
  // Three servers and a thousand tenants with a few sessions each; a slot that is not used costs some 20 kB.
  max_connections: '400',
  // Never prepared transactions: one that is forgotten holds its locks for ever.
  max_prepared_transactions: '0',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // Crash restart with 1,000 databases (375,000 files): 21 s when every file is synced by itself, 0.6 s so. Linux only.
  ...(process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}),
  // APFS clones in an instant. On Linux without reflinks (ext4) `clone` was a fifth slower than `copy`, so it stays `copy`.
  ...(process.platform === 'darwin' ? { file_copy_method: 'clone' } : {}),
};

/** For data that may be lost at any time: tests. Creating a database takes 13 ms instead of 57. */
export const throwAwayParameters: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
};

/** Every login by password, from this machine, by TCP. */
export const defaultHba = 'host all all 127.0.0.1/32 scram-sha-256\n';

/** With a free port chosen here, another program may take it before the server does. */
const portAttempts = 5;
const pollMs = 10;
const fastStopMs = 60_000;
const immediateStopMs = 10_000;

/** @throws Fault embedded_postgres_* (see embedded-postgres/faults.ts) */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = serverAccount();
  const binaries = findBinaries(account);
  const dataDir = path.resolve(options.dataDir);
  const log = options.log ?? (() => {});
  const send = signalSender(binaries);
  await prepareDataDir(dataDir, options.superuserPassword, binaries, account);
  await clearLeftover(dataDir, send, log);
  writeSettings(dataDir, { ...defaultParameters, ...options.parameters }, options.hba ?? defaultHba, account);
  const deadline = Date.now() + (options.startTimeoutMs ?? 60_000);
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const server = launch({ binaries, account, dataDir, port, log });
    recordOwner(dataDir); // before it is ready, so that nobody takes a server that is starting for one left behind
    const outcome = await untilReady(server, dataDir, deadline);
    if (outcome === 'ready') return handle(server, { dataDir, port, password: options.superuserPassword, send });
    if (outcome === 'port-taken' && options.port === undefined && attempt < portAttempts) continue;
    if (outcome === 'old-backends' && Date.now() < deadline) {
      await sleep(100); // a crashed server's backends still hold its shared memory; they end by themselves
      continue;
    }
    if (outcome === 'timeout') send(server.pid, 'SIGKILL');
    throw startFault(outcome, server, dataDir, port);
  }
}

type RunningServer = {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly lastLines: string[];
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  ended: boolean;
};
type Outcome = 'ready' | 'port-taken' | 'old-backends' | 'in-use' | 'ended' | 'timeout';
type Launch = {
  binaries: PostgresBinaries;
  account: ServerAccount;
  dataDir: string;
  port: number;
  log: (line: string) => void;
};

function launch({ binaries, account, dataDir, port, log }: Launch): RunningServer {
  // Only what must not be changed from inside is on the command line, where it beats every file and ALTER SYSTEM.
  const fixed = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='];
  const child = spawn(binaries.path('postgres'), ['-D', dataDir, '-p', String(port), ...fixed], {
    ...account,
    cwd: dataDir,
    env: serverEnvironment,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const lastLines: string[] = [];
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log(line);
    lastLines.push(...lines);
    if (lastLines.length > 40) lastLines.splice(0, lastLines.length - 40);
  });
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('error', (error) => {
      lastLines.push(error.message);
      resolve({ code: null, signal: null });
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const server: RunningServer = { child, pid: child.pid ?? 0, lastLines, exited, ended: false };
  void exited.then(() => {
    server.ended = true;
  });
  return server;
}

async function untilReady(server: RunningServer, dataDir: string, deadline: number): Promise<Outcome> {
  while (!server.ended) {
    const file = readPidFile(dataDir);
    if (file?.pid === server.pid && file.status === 'ready') {
      recordOwner(dataDir); // again: a second starter that lost the race may have written it meanwhile
      return 'ready';
    }
    if (Date.now() > deadline) return 'timeout';
    await sleep(pollMs);
  }
  const text = server.lastLines.join('\n');
  if (/could not bind IPv4 address .*already in use/i.test(text)) return 'port-taken';
  if (text.includes('pre-existing shared memory block')) return 'old-backends';
  return text.includes('lock file "postmaster.pid" already exists') ? 'in-use' : 'ended';
}

function handle(
  server: RunningServer,
  at: { dataDir: string; port: number; password: string; send: SendSignal },
): EmbeddedPostgres {
  let asked = false;
  const signal: SendSignal = (pid, name) => {
    asked = true;
    if (!server.ended) at.send(pid, name);
  };
  const endsWithin = (ms: number) => Promise.race([server.exited.then(() => true), sleep(ms, false, { ref: false })]);
  return {
    address: { host: '127.0.0.1', port: at.port, database: 'postgres', user: 'postgres', password: at.password },
    dataDir: at.dataDir,
    pid: server.pid,
    exited: server.exited.then((end) => ({ ...end, asked })),
    kill: () => signal(server.pid, 'SIGKILL'),
    async stop(mode = 'fast') {
      if (mode === 'fast') {
        signal(server.pid, 'SIGINT');
        if (await endsWithin(fastStopMs)) return;
      }
      signal(server.pid, 'SIGQUIT');
      if (await endsWithin(immediateStopMs)) return;
      signal(server.pid, 'SIGKILL');
      await server.exited;
    },
  };
}

/** Windows has no signals: there pg_ctl speaks to the server by a named pipe. */
function signalSender(binaries: PostgresBinaries): SendSignal {
  if (process.platform === 'win32') {
    return (pid, signal) =>
      void execFileSync(binaries.path('pg_ctl'), ['kill', signal.slice(3), String(pid)], { stdio: 'ignore' });
  }
  return (pid, signal) => {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // else it has just ended
    }
  };
}

function startFault(outcome: Outcome, server: RunningServer, dataDir: string, port: number) {
  if (outcome === 'port-taken') {
    return embeddedPostgresFault(
      'embedded_postgres_port_in_use',
      `Port ${port} on 127.0.0.1 is taken. Stop what listens there, or choose another port.`,
    );
  }
  if (outcome === 'in-use') {
    const pid = readPidFile(dataDir)?.pid;
    return embeddedPostgresFault(
      'embedded_postgres_in_use',
      `Another program has just started PostgreSQL (process ${pid}) in ${dataDir}.`,
    );
  }
  const why = outcome === 'timeout' ? 'was not ready in time' : 'ended while it started';
  return embeddedPostgresFault(
    'embedded_postgres_failed',
    `PostgreSQL in ${dataDir} ${why}:\n${server.lastLines.slice(-12).join('\n')}`,
  );
}
