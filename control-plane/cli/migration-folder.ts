// Owns which folder of migrations a command means, and reading it here: SQL is parsed and builder files are run on this machine. What
// is wrong with a file is told with its line, as the server would tell it.
import fs from 'node:fs';
import path from 'node:path';
import { isFault } from '../../platform/errors.ts';
import type { WrittenLane } from '../migration-files/migration-file.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';

export type FolderFlags = { lane: string; folder?: string };

export type MigrationFolder = { path: string; lane: WrittenLane };

/** --folder, the variable that the control plane takes, or the folder of this clone. @throws CliError */
export function folderOf(cli: Cli, { lane, folder }: FolderFlags): string {
  const ofLane: Readonly<Record<string, string | undefined>> = {
    core: cli.io.env.FREEHOLD_CORE_MIGRATIONS,
    tenant: cli.io.env.FREEHOLD_TENANT_MIGRATIONS,
  };
  if (!Object.hasOwn(ofLane, lane))
    throw new CliError(`There is no lane ${lane}.`, {
      code: 'lane_not_found',
      next: ['The lanes are core and tenant.'],
    });
  const named = folder ?? ofLane[lane] ?? path.resolve(import.meta.dirname, '../../migrations', lane);
  const found = path.resolve(named);
  const there = fs.statSync(found, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) return found;
  throw new CliError(there === undefined ? `There is no folder ${found}.` : `${found} is not a folder.`, {
    code: 'migration_invalid',
    next: ['Name the folder of the migrations with --folder or FREEHOLD_TENANT_MIGRATIONS.'],
  });
}

/** @throws CliError migration_invalid */
export async function readFolder(cli: Cli, flags: FolderFlags): Promise<MigrationFolder> {
  const folder = folderOf(cli, flags);
  const { readLane } = await import('../migration-files/read-folder.ts');
  try {
    return { path: folder, lane: await readLane(flags.lane, folder) };
  } catch (error) {
    if (!isFault(error)) throw error;
    const next = typeof error.extra.file === 'string' ? [path.join(folder, error.extra.file)] : [folder];
    throw new CliError(error.message, { code: error.code, next, cause: error });
  }
}
