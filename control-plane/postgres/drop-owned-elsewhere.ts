// Owns the case that a role to be dropped owns or may do something in another database than its own (P17): somebody gave
// it to them by hand. PostgreSQL would refuse DROP ROLE with 2BP01 for ever.
import type { DatabaseId } from '../../catalog/ids.ts';
import { databaseIdOf, namesOf } from '../../catalog/names.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { ClusterMarks } from './cluster-marks.ts';
import { rolesOf } from './cluster-names.ts';
import { textArray } from './text-array.ts';

export type DropOwnedDeps = {
  session: Session;
  id: DatabaseId;
  marks: ClusterMarks;
  openIn(database: string): Promise<Session>;
};

/**
 * A right can be taken away only by who gave it: in another tenant database that is its owner, so the provisioner becomes a
 * member of that one too for the moment. Rights given by a superuser elsewhere, and whatever is in a closed database, stay:
 * DROP ROLE then fails with 2BP01 and names them, and a DBA decides.
 */
export async function dropOwnedElsewhere({ session, id, marks, openIn }: DropOwnedDeps): Promise<void> {
  const names = namesOf(id);
  const { rows } = await session.query<{ datname: string; roles: string[] }>(
    `select d.datname, json_agg(distinct r.rolname) as roles
     from pg_shdepend s join pg_database d on d.oid = s.dbid join pg_roles r on r.oid = s.refobjid
     where s.refclassid = 'pg_authid'::regclass and r.rolname = any ($1::text[])
       and d.datallowconn and d.datname <> current_database() and d.datname <> $2
     group by d.datname`,
    [textArray(rolesOf(names)), names.database],
  );
  for (const { datname, roles } of rows) {
    const otherId = databaseIdOf(datname);
    if (otherId !== undefined) await session.query(lendOwner, [datname, textArray(marks.proofs(otherId))]);
    try {
      await session.query('select freehold.lend_roles_in($1, $2::text[], $3)', [
        names.database,
        textArray(marks.proofs(id)),
        datname,
      ]);
      const inside = await openIn(datname);
      try {
        await inside.query(`drop owned by ${roles.join(', ')}`); // names of our own form: nothing needs quoting
      } finally {
        await inside.close();
      }
    } finally {
      await session.query('select freehold.take_back_roles_in($1, $2)', [names.database, datname]);
      if (otherId !== undefined) await session.query('select freehold.take_back_owner($1)', [datname]);
    }
  }
}

const lendOwner = 'select freehold.lend_owner($1, $2::text[])';
