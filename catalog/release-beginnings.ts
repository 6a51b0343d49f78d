// Owns the files of all releases of a lane by name and hash alone: what is needed to say where a database stands, without the SQL.
import { sql } from 'kysely';
import type { ReleaseId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';

export type FileMark = { name: string; hash: string; reversible: boolean };

/** In order of position; a program says only when it runs whether it has a way back, so it counts as reversible. */
export async function markFiles(db: CatalogDb, lane: string): Promise<Map<ReleaseId, FileMark[]>> {
  const { rows } = await sql<{ id: ReleaseId } & FileMark>`
    select r.id, f.name, f.hash, f.down is not null or f.program is not null as reversible
    from releases r join release_files f on f.release_id = r.id where r.lane = ${lane} order by r.id, f.position`.execute(
    db,
  );
  const marks = new Map<ReleaseId, FileMark[]>();
  for (const { id, ...mark } of rows) {
    const files = marks.get(id) ?? [];
    files.push(mark);
    marks.set(id, files);
  }
  return marks;
}
