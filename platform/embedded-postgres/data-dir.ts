// Owns the data folder on disk: made once by initdb (SCRAM superuser, builtin C.UTF-8, so that order and case rules are the
// same on every machine and survive a change of the C library), checked at every start, its settings written at every start.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ServerAccount } from './account.ts';
import { canReach } from './account.ts';
import type { PostgresBinaries } from './binaries.ts';
import { embeddedPostgresFault } from './faults.ts';

const settingsFile = 'freehold.conf';

/** What a server process of ours sees: nothing of the caller's environment, so no PGDATA or PGPORT can change what it does. */
export const serverEnvironment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** @throws Fault embedded_postgres_data_dir, embedded_postgres_failed */
export async function prepareDataDir(
  dataDir: string,
  password: string,
  binaries: PostgresBinaries,
  account: ServerAccount,
): Promise<void> {
  makeParents(path.dirname(dataDir), account);
  if (!canReach(account, path.dirname(dataDir))) {
    throw badDataDir(
      `The account that runs PostgreSQL (uid ${account?.uid}) cannot enter ${path.dirname(dataDir)}. Use a data folder elsewhere, or start as an ordinary user.`,
    );
  }
  const entries = fs.existsSync(dataDir) ? fs.readdirSync(dataDir) : [];
  if (entries.length === 0) return initialise(dataDir, password, binaries, account);
  if (!entries.includes('PG_VERSION'))
    throw badDataDir(`${dataDir} is not empty and not a PostgreSQL data folder. Name another folder.`);
  const owner = fs.statSync(dataDir).uid;
  const expected = account ? account.uid : process.getuid ? process.getuid() : owner;
  if (owner !== expected) {
    throw badDataDir(
      `${dataDir} belongs to uid ${owner}, but PostgreSQL would run as uid ${expected}. Start as the user who made it, or name another folder.`,
    );
  }
  const major = fs.readFileSync(path.join(dataDir, 'PG_VERSION'), 'utf8').trim();
  if (major !== binaries.majorVersion) {
    throw badDataDir(
      `${dataDir} was made by PostgreSQL ${major}, this is ${binaries.majorVersion}. Move it away, or dump and load it with the old version.`,
    );
  }
}

/** Writes what the caller decides. In files, not on the command line, so that ALTER SYSTEM still has the last word. */
export function writeSettings(
  dataDir: string,
  parameters: Record<string, string>,
  hba: string,
  account: ServerAccount,
): void {
  const lines = Object.entries(parameters).map(([name, value]) => `${checkedName(name)} = ${quoted(value)}`);
  writeOwned(path.join(dataDir, settingsFile), `# written at every start\n${lines.join('\n')}\n`, account);
  writeOwned(path.join(dataDir, 'pg_hba.conf'), hba.endsWith('\n') ? hba : `${hba}\n`, account);
}

/** In a folder beside and renamed at the end: an initdb that was killed leaves nothing that looks like a data folder. */
async function initialise(
  dataDir: string,
  password: string,
  binaries: PostgresBinaries,
  account: ServerAccount,
): Promise<void> {
  if (/[\r\n]/.test(password) || password === '')
    throw badDataDir('The superuser password must be one line that is not empty.');
  removeAbandoned(dataDir);
  const making = `${dataDir}.initialising-${process.pid}-${randomBytes(3).toString('hex')}`;
  const passwordFile = path.join(os.tmpdir(), `freehold-${randomBytes(8).toString('hex')}`);
  try {
    fs.mkdirSync(making, { mode: 0o700 });
    if (account) fs.chownSync(making, account.uid, account.gid);
    fs.writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (account) fs.chownSync(passwordFile, account.uid, account.gid);
    await runInitdb(binaries.path('initdb'), making, passwordFile, account);
    fs.appendFileSync(path.join(making, 'postgresql.conf'), `\ninclude_if_exists '${settingsFile}'\n`);
    if (fs.existsSync(dataDir)) fs.rmdirSync(dataDir); // empty: checked before
    fs.renameSync(making, dataDir);
  } finally {
    fs.rmSync(passwordFile, { force: true });
    fs.rmSync(making, { recursive: true, force: true });
  }
}

async function runInitdb(program: string, dir: string, passwordFile: string, account: ServerAccount): Promise<void> {
  const rights = ['-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  const locale = ['-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  // --no-sync: 0.5 s instead of several; an empty database that a power cut spoils in its first seconds is made again.
  const child = spawn(program, ['-D', dir, ...rights, ...locale, '--no-sync'], {
    ...account,
    cwd: dir,
    env: serverEnvironment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-4000);
  });
  const [code] = await once(child, 'close').catch((cause: Error) => {
    throw embeddedPostgresFault('embedded_postgres_failed', `initdb could not be run: ${cause.message}`, { cause });
  });
  if (code !== 0)
    throw embeddedPostgresFault('embedded_postgres_failed', `initdb failed in ${path.dirname(dir)}:\n${output.trim()}`);
}

function removeAbandoned(dataDir: string): void {
  const prefix = `${path.basename(dataDir)}.initialising-`;
  for (const name of fs.readdirSync(path.dirname(dataDir))) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue;
    fs.rmSync(path.join(path.dirname(dataDir), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Folders that we make must let the account of the server through, also under a umask of 077. */
function makeParents(folder: string, account: ServerAccount): void {
  const first = fs.mkdirSync(folder, { recursive: true });
  if (first === undefined || account === undefined) return;
  for (let place = folder; place.length >= first.length; place = path.dirname(place)) fs.chmodSync(place, 0o711);
}

function writeOwned(file: string, text: string, account: ServerAccount): void {
  const part = `${file}.part`;
  fs.writeFileSync(part, text, { mode: 0o600 });
  if (account) fs.chownSync(part, account.uid, account.gid);
  fs.renameSync(part, file);
}

function checkedName(name: string): string {
  if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(name))
    throw badDataDir(`${JSON.stringify(name)} is not the name of a PostgreSQL parameter.`);
  return name;
}

function quoted(value: string): string {
  if (/[\r\n\0]/.test(value)) throw badDataDir('The value of a PostgreSQL parameter must be one line.');
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function badDataDir(message: string) {
  return embeddedPostgresFault('embedded_postgres_data_dir', message);
}
