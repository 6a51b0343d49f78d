// Owns the question as whom PostgreSQL runs. PostgreSQL refuses root, so root runs it as `postgres`, else `nobody`;
// an ordinary user runs it as himself. Also answers which folders that account can reach.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { embeddedPostgresFault } from './faults.ts';

/** Spread into the options of spawn; undefined means "as we are". */
export type ServerAccount = { readonly uid: number; readonly gid: number } | undefined;

export function serverAccount(): ServerAccount {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const uid = numericId('-u', name);
    const gid = numericId('-g', name);
    if (uid !== undefined && gid !== undefined && uid !== 0) return { uid, gid };
  }
  throw embeddedPostgresFault(
    'embedded_postgres_no_account',
    'PostgreSQL refuses to run as root and neither a user postgres nor a user nobody exists. Start as an ordinary user.',
  );
}

/** True when the account can pass through every folder above `target` and, if it exists, enter it or run it. */
export function canReach(account: ServerAccount, target: string): boolean {
  if (account === undefined) return true;
  for (let place = path.resolve(target); ; place = path.dirname(place)) {
    const stat = fs.statSync(place, { throwIfNoEntry: false });
    if (stat !== undefined && !mayExecute(account, stat)) return false;
    if (place === path.dirname(place)) return true;
  }
}

/**
 * A data folder that PostgreSQL can live in: the preferred one, or, for root with a clone below a closed folder such as
 * /root (0700 on Debian), a fixed folder below /var/lib made of the preferred path, so that each clone keeps its own.
 */
export function reachableDataDir(preferred: string): string {
  const wanted = path.resolve(preferred);
  const account = serverAccount();
  if (canReach(account, wanted)) return wanted;
  const key = createHash('sha256').update(wanted).digest('hex').slice(0, 12);
  return `/var/lib/freehold-${key}`;
}

function mayExecute(account: { uid: number; gid: number }, stat: fs.Stats): boolean {
  if (stat.uid === account.uid) return (stat.mode & 0o100) !== 0;
  if (stat.gid === account.gid) return (stat.mode & 0o010) !== 0;
  return (stat.mode & 0o001) !== 0;
}

function numericId(flag: '-u' | '-g', name: string): number | undefined {
  try {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return undefined; // no such user
  }
}
