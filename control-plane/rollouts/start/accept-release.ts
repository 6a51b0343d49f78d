// Owns the door by which files become a release. Nothing that was sent is believed: names, hashes, order, SQL and directives are
// read from the files themselves, as from a folder. Only what a builder file makes cannot be worked out without running its code,
// which is never done with code that came over the wire: its SQL is taken as sent, and parsed; a file that asks the database while
// it runs is taken only where the folder of a control plane has brought it.
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { inRange } from '../../../catalog/lane-versions.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { listReleases, type ReleaseLane, readLane } from '../../../catalog/releases.ts';
import type { MigrationScript, WrittenLane } from '../../migration-files/migration-file.ts';
import { builderHash, type Entry, readEntries, textOfScript } from '../../migration-files/read-entries.ts';
import { scriptOf } from '../../migration-files/script-of.ts';
import { lintRelease } from './lint-release.ts';
import { type Registration, refuseChangedHistory, registerRelease } from './register-release.ts';

/** A file of the folder; of a builder file also what it makes, null where that is known only in a database. */
export type SentFile = Entry & {
  readonly makes?: { readonly up: MigrationScript; readonly down: MigrationScript | null } | null | undefined;
  /** The hash over what a builder file imports (program-sources.ts), where it does. */
  readonly imports?: string | undefined;
};

export type ReleaseUpload = {
  readonly lane: string;
  readonly name?: string | undefined;
  readonly notes?: string | undefined;
  readonly appMin?: string | undefined;
  readonly appMax?: string | undefined;
  readonly files: readonly SentFile[];
};

/**
 * @throws Fault lane_not_found, lane_reserved, migration_invalid, program_not_known, app_range_invalid, release_history_changed,
 * lint_failed, linter_unavailable, name_taken
 */
export async function acceptRelease(db: CatalogDb, upload: ReleaseUpload, caller: Caller): Promise<Registration> {
  checkLane(upload.lane);
  const newest = await newestOf(db, upload.lane);
  const lane = await readUpload(upload, newest);
  checkRange(lane, upload);
  await refuseChangedHistory(db, lane);
  const lint = await lintRelease(db, lane, newest);
  const { name, notes, appMin, appMax } = upload;
  return await registerRelease(db, { lane, name, notes, appMin, appMax, lint }, caller);
}

/** Every other release of the lane is a beginning of it. */
export async function newestOf(db: CatalogDb, lane: string): Promise<ReleaseLane | undefined> {
  const [newest] = await listReleases(db, lane);
  return newest === undefined ? undefined : await readLane(db, newest.id);
}

function checkLane(lane: string): void {
  if (lane === 'tenant') return;
  if (lane === 'core')
    throw catalogFault('lane_reserved', "The files of the lane core are Freehold's own and come with it.");
  throw catalogFault('lane_not_found', 'There is no such lane; the lane of your product is "tenant".');
}

function checkRange({ version }: WrittenLane, { appMin, appMax }: ReleaseUpload): void {
  if (!inRange(version, { min: appMin ?? null, max: appMax ?? null })) {
    throw catalogFault(
      'app_range_invalid',
      `The release has the version ${version}; app_min must not be above it and app_max not below it.`,
    );
  }
}

async function readUpload({ lane, files }: ReleaseUpload, newest: ReleaseLane | undefined): Promise<WrittenLane> {
  const known = new Map(newest?.files.map((file) => [file.hash, file]));
  const sent = new Map(files.map((file) => [file.name, file]));
  return await readEntries(lane, files, async (entry, shorthands, { irreversible, contractRequires }) => {
    const { makes, imports } = sent.get(entry.name) ?? {};
    const released = known.get(builderHash(entry.text, imports));
    // What is released stays what it is, whatever another version of the builder makes of the file today.
    if (released !== undefined) {
      const { up, down, program } = released;
      return { up, down, program, contractRequires, shorthands, imports };
    }
    if (makes === undefined) throw new Error('it came without the SQL that it makes; compile it before it is sent');
    if (makes === null) throw programNotKnown(entry.name);
    const up = (await checked(makes.up)) ?? nothing;
    const down = irreversible || makes.down === null ? null : ((await checked(makes.down)) ?? null);
    return { up, down, program: null, contractRequires, shorthands, imports };
  });
}

const nothing: MigrationScript = { transaction: true, statements: [''] };

function checked(script: MigrationScript): Promise<MigrationScript | undefined> {
  return scriptOf(textOfScript(script), !script.transaction);
}

function programNotKnown(file: string) {
  return catalogFault(
    'program_not_known',
    `${file} asks the database while it runs, and no control plane was started with it in its folder.`,
    { extra: { file } },
  );
}
