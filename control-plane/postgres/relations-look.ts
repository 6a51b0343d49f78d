// Owns what a rehearsal knows of the relations of its database: how large each is before a file, and which tables a file has written
// anew, told by their storage. Everything is asked before or after the file, never while it waits: its locks would be in our way.
import type { Session } from '../../platform/postgres/session.ts';

/** `rows`: as the server estimates; null where it has never counted. `bytes`: with indexes and TOAST. */
export type RelationSize = { relation: string; bytes: number; rows: number | null };
export type RelationsLook = ReadonlyMap<string, RelationSize & { storage: string; isTable: boolean }>;

/** By oid, without those of the server and ours. A table that holds something and was never counted is counted first. */
export async function lookAtRelations(session: Session): Promise<RelationsLook> {
  const { rows: uncounted } = await session.query<{ table: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table ${fromRelations}
       and c.relkind in ('r', 'm') and c.reltuples < 0 and pg_catalog.pg_relation_size(c.oid) > 0`,
  );
  if (uncounted.length > 0) await session.script(`analyze ${uncounted.map(({ table }) => table).join(', ')}`);
  const { rows } = await session.query<RelationSize & { oid: string; storage: string; isTable: boolean }>(
    `select c.oid::text as oid, format('%I.%I', n.nspname, c.relname) as relation, c.relfilenode::text as storage,
       c.relkind in ('r', 'm') as "isTable", case when c.reltuples >= 0 then c.reltuples::float8 end as rows,
       pg_catalog.pg_total_relation_size(c.oid)::float8 as bytes ${fromRelations}`,
  );
  return new Map(rows.map(({ oid, ...relation }) => [oid, relation]));
}

const fromRelations = `from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema', 'freehold') and c.relpersistence <> 't'`;

/** Tables with other storage than before, by name: every row was written again, and everybody waits meanwhile. */
export async function rewrittenSince(session: Session, before: RelationsLook): Promise<RelationSize[]> {
  const { rows } = await session.query<{ oid: string; storage: string }>(
    `select c.oid::text as oid, c.relfilenode::text as storage ${fromRelations} and c.relkind in ('r', 'm') order by 1`,
  );
  return rows
    .flatMap(({ oid, storage }) => {
      const was = before.get(oid);
      if (was === undefined || !was.isTable || was.storage === storage) return [];
      return [{ relation: was.relation, bytes: was.bytes, rows: was.rows }];
    })
    .sort((a, b) => (a.relation < b.relation ? -1 : 1));
}
