// Owns the queries on releases: immutable, named snapshots of a lane. The same content is the same release, whoever brings it.
import { type Selectable, sql } from 'kysely';
import { catalogFault } from './errors.ts';
import type { ReleaseFilesTable, ReleasesTable, StoredProgram, StoredScript } from './fleet-schema.ts';
import { isId, newId, type ReleaseId } from './ids.ts';
import { compareVersions } from './lane-versions.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';

export type ReleaseRow = Selectable<ReleasesTable>;

/** As control-plane/migration-files/migration-file.ts has them. */
export type ReleaseFile = {
  name: string;
  hash: string;
  up: StoredScript;
  down: StoredScript | null;
  program: StoredProgram | null;
  contractRequires: string | null;
};
export type ReleaseLane = { name: string; files: readonly ReleaseFile[]; version: string; hash: string };

export type NewRelease = {
  lane: ReleaseLane;
  name: string;
  createdBy: string;
  notes?: string | undefined;
  appMin?: string | null | undefined;
  appMax?: string | null | undefined;
  lint?: readonly object[] | undefined;
};

/** Serialises those who make releases, until their transaction ends: two control planes that start read the same folder. */
export async function lockReleases(tx: CatalogTx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('freehold releases'))`.execute(tx);
}

export async function findReleaseByHash(db: CatalogDb, lane: string, hash: string): Promise<ReleaseRow | undefined> {
  return db.selectFrom('releases').selectAll().where('lane', '=', lane).where('hash', '=', hash).executeTakeFirst();
}

/** @param release an id, a name, or 'latest' @throws Fault release_not_found */
export async function findRelease(db: CatalogDb, lane: string, release: string): Promise<ReleaseRow> {
  const found = pickRelease(await listReleases(db, lane), release);
  if (found !== undefined) return found;
  throw catalogFault('release_not_found', `The lane ${lane} has no release ${release}.`);
}

/** @param rows newest first */
export function pickRelease(rows: readonly ReleaseRow[], release: string): ReleaseRow | undefined {
  if (release === 'latest') return rows[0];
  return rows.find((row) => (isId('release', release) ? row.id === release : row.name === release));
}

/** The highest version first; of one version the newest. */
export async function listReleases(db: CatalogDb, lane: string): Promise<ReleaseRow[]> {
  return newestFirst(await db.selectFrom('releases').selectAll().where('lane', '=', lane).execute());
}

export function newestFirst(rows: readonly ReleaseRow[]): ReleaseRow[] {
  return rows.toSorted(
    (a, b) => compareVersions(b.version, a.version) || b.created_at.getTime() - a.created_at.getTime(),
  );
}

export type ReleaseOfList = ReleaseRow & { isHead: boolean; files: number };

/** Newest first. */
export async function pageReleases(
  db: CatalogDb,
  { lane, after, limit }: { lane: string | undefined; after: string | undefined; limit: number },
): Promise<ReleaseOfList[]> {
  let query = releasesForPeople(db).orderBy('r.id', 'desc').limit(limit);
  if (lane !== undefined) query = query.where('r.lane', '=', lane);
  if (after !== undefined) query = query.where('r.id', '<', after as ReleaseId);
  return await query.execute();
}

/** @param release an id, or lane/name, lane/latest @throws Fault release_not_found */
export async function findReleaseOfList(db: CatalogDb, release: string): Promise<ReleaseOfList> {
  const slash = release.indexOf('/');
  const id = slash < 0 ? release : (await findRelease(db, release.slice(0, slash), release.slice(slash + 1))).id;
  const row = await releasesForPeople(db)
    .where('r.id', '=', id as ReleaseId)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw catalogFault('release_not_found', 'There is no such release; give its id, or lane/name.');
}

function releasesForPeople(db: CatalogDb) {
  return db
    .selectFrom('releases as r')
    .leftJoin('lane_heads as h', 'h.release_id', 'r.id')
    .selectAll('r')
    .select([
      sql<boolean>`h.lane is not null`.as('isHead'),
      sql<number>`(select count(*)::int from release_files f where f.release_id = r.id)`.as('files'),
    ]);
}

/** Its files must have been compared with those of the earlier releases before. */
export async function insertRelease(tx: CatalogTx, release: NewRelease): Promise<ReleaseRow> {
  const { lane, name, createdBy, notes = '', appMin = null, appMax = null, lint = [] } = release;
  const row = await tx
    .insertInto('releases')
    .values({
      id: newId('release'),
      lane: lane.name,
      name,
      version: lane.version,
      hash: lane.hash,
      contract_requires: highest(lane.files.map((file) => file.contractRequires)),
      app_min: appMin,
      app_max: appMax,
      notes,
      lint: JSON.stringify(lint),
      created_by: createdBy,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const files = lane.files.map((file, position) => ({
    release_id: row.id,
    position,
    name: file.name,
    hash: file.hash,
    up: JSON.stringify(file.up),
    down: file.down === null ? null : JSON.stringify(file.down),
    program: file.program === null ? null : JSON.stringify(file.program),
    contract_requires: file.contractRequires,
  }));
  await tx.insertInto('release_files').values(files).execute();
  return row;
}

/** The lane as it was when the release was made. @throws Fault release_not_found */
export async function readLane(db: CatalogDb, id: ReleaseId): Promise<ReleaseLane> {
  const row = await db.selectFrom('releases').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw catalogFault('release_not_found', 'There is no release with this id.', { internal: id });
  const files = await db
    .selectFrom('release_files')
    .selectAll()
    .where('release_id', '=', id)
    .orderBy('position')
    .execute();
  return {
    name: row.lane,
    version: row.version,
    hash: row.hash,
    files: files.map(fileOf),
  };
}

/**
 * What any release of the lane holds beyond this one, each text once: where a database that is to go back to it finds its ways
 * back, whichever release it stands at.
 */
export async function readFilesBeyond(db: CatalogDb, { name: lane, files }: ReleaseLane): Promise<ReleaseFile[]> {
  const rows = await db
    .selectFrom('release_files as f')
    .innerJoin('releases as r', 'r.id', 'f.release_id')
    .selectAll('f')
    .distinctOn(['f.name', 'f.hash'])
    .where('r.lane', '=', lane)
    .where(sql<boolean>`f.name <> all (${files.map((file) => file.name)}::text[])`)
    .execute();
  return rows.map(fileOf);
}

/** What the linter has said of these files, in whichever release each of them was new. */
export async function findingsOfFiles(db: CatalogDb, lane: string, names: readonly string[]): Promise<object[]> {
  const { rows } = await sql<{ finding: object }>`
    select distinct on (f.finding) f.finding from releases r, jsonb_array_elements(r.lint) as f (finding),
      unnest(${sql.val([...names])}::text[]) with ordinality as n (name, at)
    where r.lane = ${lane} and (f.finding ->> 'file' = n.name or starts_with(f.finding ->> 'file', n.name || '.'))
    order by f.finding, n.at`.execute(db);
  return rows.map((row) => row.finding);
}

function fileOf({ name, hash, up, down, program, contract_requires }: Selectable<ReleaseFilesTable>): ReleaseFile {
  return { name, hash, up, down, program, contractRequires: contract_requires };
}

function highest(versions: readonly (string | null)[]): string | null {
  const some = versions.filter((version) => version !== null);
  return some.sort(compareVersions).at(-1) ?? null;
}
