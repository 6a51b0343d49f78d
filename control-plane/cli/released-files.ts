// Owns what the server knows of a folder: its newest release, how far the folder goes along with it, and what was changed since.

import type { ReleaseDetail } from '../client.ts';
import type { WrittenFile, WrittenLane } from '../migration-files/migration-file.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';

/** Undefined: there is no server to ask. Null: nothing is released. */
export async function newestRelease(cli: Cli, lane: string): Promise<ReleaseDetail | null | undefined> {
  try {
    const client = await cli.client();
    return await client.releases.get(`${lane}/latest`);
  } catch (error) {
    if (error instanceof CliError) return undefined;
    if (error instanceof TypeError && error.message === 'fetch failed') {
      cli.note('The server cannot be reached; what is released is not known.');
      return undefined;
    }
    if ((error as { code?: unknown }).code === 'release_not_found') return null;
    throw error;
  }
}

export type FileState = 'released' | 'changed' | 'new';

export function stateOf(file: WrittenFile, release: ReleaseDetail | null): FileState {
  const there = release?.files.find(({ name }) => name === file.name);
  if (there === undefined) return 'new';
  return there.hash === file.hash ? 'released' : 'changed';
}

/** How many files from the beginning are released as they stand. */
export function releasedCount(lane: WrittenLane, release: ReleaseDetail | null): number {
  const end = lane.files.findIndex((file) => stateOf(file, release) !== 'released');
  return end < 0 ? lane.files.length : end;
}
