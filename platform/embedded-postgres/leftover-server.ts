// Owns what a dead parent leaves behind: PostgreSQL runs in its own process group, so a parent killed by SIGKILL leaves a
// server on the port and a postmaster.pid in the data folder. It is stopped by that pid, and only when that process is
// proven to be the server of this very folder and its parent is proven to be gone.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedPostgresFault } from './faults.ts';

/** Beside postmaster.pid: the process that started the server. While it is the server's parent, the server is not left over. */
const ownerFile = 'freehold-owner.pid';
/** A fast stop writes a checkpoint; after this we take the crash recovery at the next start instead. */
const fastStopMs = 30_000;
const immediateStopMs = 10_000;
const ownedForMs = 1_000;

export type SendSignal = (pid: number, signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL') => void;

export function recordOwner(dataDir: string): void {
  fs.writeFileSync(path.join(dataDir, ownerFile), `${process.pid}\n`);
}

/** The pid and the status word ("ready", "starting") of postmaster.pid. */
export function readPidFile(dataDir: string): { pid: number; status: string } | undefined {
  try {
    const lines = fs.readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    return Number.isInteger(pid) && pid > 1 ? { pid, status: (lines[7] ?? '').trim() } : undefined;
  } catch {
    return undefined; // no such file: no server
  }
}

/**
 * Leaves the folder without a running server and without a stale pid file.
 * @throws Fault embedded_postgres_in_use when a living program owns the server
 */
export async function clearLeftover(dataDir: string, send: SendSignal, log: (line: string) => void): Promise<void> {
  const pid = readPidFile(dataDir)?.pid;
  if (pid === undefined) return;
  const server = await lookTwice(pid, dataDir);
  if (server === 'unknown' || (server !== 'gone' && isOwned(server, dataDir))) {
    throw embeddedPostgresFault(
      'embedded_postgres_in_use',
      `PostgreSQL (process ${pid}) runs in ${dataDir} for another program. Stop that program first, or use another data folder.`,
    );
  }
  if (server !== 'gone' && isServerOf(dataDir, server)) {
    log(`stopping PostgreSQL (process ${pid}), left behind in ${dataDir} by a program that was killed`);
    await stopByPid(pid, dataDir, send);
  }
  await waitForBackends(dataDir, log);
  // PostgreSQL itself refuses to start while any process has that pid: a zombie, or one that only inherited the number.
  // With the pid gone, its own look at the shared memory stays in force.
  if (lookAt(pid) !== 'gone' && readPidFile(dataDir)?.pid === pid)
    fs.rmSync(path.join(dataDir, 'postmaster.pid'), { force: true });
}

/** A parent that was killed this moment is still the parent for some milliseconds, so "owned" must hold for a while. */
async function lookTwice(pid: number, dataDir: string): Promise<SeenProcess | 'gone' | 'unknown'> {
  for (const deadline = Date.now() + ownedForMs; ; await sleep(20)) {
    const server = lookAt(pid);
    if (Date.now() > deadline || server === 'gone' || !isOwned(server, dataDir)) return server;
  }
}

function isOwned(server: SeenProcess | 'unknown', dataDir: string): boolean {
  return server === 'unknown' || (isServerOf(dataDir, server) && server.parentPid === ownerOf(dataDir));
}

async function stopByPid(pid: number, dataDir: string, send: SendSignal): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGINT', fastStopMs],
    ['SIGQUIT', immediateStopMs],
    ['SIGKILL', immediateStopMs],
  ] as const) {
    send(pid, signal);
    for (const deadline = Date.now() + waitMs; Date.now() < deadline; await sleep(20)) {
      const seen = lookAt(pid);
      if (seen === 'gone' || (seen !== 'unknown' && !isServerOf(dataDir, seen))) return;
    }
  }
  throw embeddedPostgresFault(
    'embedded_postgres_in_use',
    `PostgreSQL (process ${pid}) in ${dataDir} does not stop. Stop it by hand.`,
  );
}

type SeenProcess = { readonly cwd?: string; readonly command?: string; readonly parentPid: number };

function isServerOf(dataDir: string, seen: SeenProcess): boolean {
  const real = fs.realpathSync(dataDir);
  return seen.cwd !== undefined ? seen.cwd === real : (seen.command?.includes(`-D ${dataDir} `) ?? false);
}

/** /proc on Linux (a bare Debian has no ps), ps elsewhere. A zombie counts as gone. */
function lookAt(pid: number): SeenProcess | 'gone' | 'unknown' {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'gone';
  }
  try {
    if (process.platform === 'linux') {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') return { parentPid: Number(parentPid), cwd: '' };
      return { parentPid: Number(parentPid), cwd: fs.readlinkSync(`/proc/${pid}/cwd`) };
    }
    const line = execFileSync('ps', ['-o', 'ppid=,command=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return { parentPid: Number.parseInt(line, 10), command: `${line} ` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ESRCH' ? 'gone' : 'unknown';
  }
}

/**
 * Backends of a killed server end by themselves, a busy one only after its loop; until then they still write to the files.
 * Where there is no /proc PostgreSQL says so itself (shared memory in use), and the start is tried again.
 */
async function waitForBackends(dataDir: string, log: (line: string) => void): Promise<void> {
  if (process.platform !== 'linux') return;
  let left = processesIn(dataDir);
  if (left.length > 0) log(`waiting for ${left.length} processes of a killed server in ${dataDir}`);
  for (const deadline = Date.now() + fastStopMs; left.length > 0; left = processesIn(dataDir)) {
    if (Date.now() > deadline) {
      const message = `Processes of a killed server still work in ${dataDir}: ${left.join(', ')}. Stop them by hand.`;
      throw embeddedPostgresFault('embedded_postgres_in_use', message);
    }
    await sleep(50);
  }
}

function processesIn(dataDir: string): string[] {
  const real = fs.realpathSync(dataDir);
  return fs.readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && fs.readlinkSync(`/proc/${name}/cwd`) === real;
    } catch {
      return false; // ended meanwhile, or not ours to see, then it is not a backend of ours either
    }
  });
}

function ownerOf(dataDir: string): number | undefined {
  try {
    return Number(fs.readFileSync(path.join(dataDir, ownerFile), 'utf8'));
  } catch {
    return undefined;
  }
}
