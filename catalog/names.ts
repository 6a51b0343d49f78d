// Owns every name that reaches DDL. Names are made from ids alone, never from what a person typed, so that nothing needs
// quoting, nothing can be cut at 63 bytes (N02) and nothing tells who the tenant is (V10).
import type { DatabaseId } from './ids.ts';

/** The logins of one database. 'mig' migrates, two application logins alternate (R11), 'ro' reads. */
export const logins = ['mig', 'app_a', 'app_b', 'ro'] as const;
export type Login = (typeof logins)[number];

export type DatabaseNames = {
  /** The database, and the NOLOGIN group that may connect to it (pg_hba's samerole wants one name for both). */
  readonly database: string;
  readonly owner: string;
  readonly logins: Readonly<Record<Login, string>>;
};

const databaseNamePattern = /^t_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

export function isDatabaseName(name: string): boolean {
  return databaseNamePattern.test(name);
}

/** @throws TypeError when the id is not a database id: a broken invariant, never bad input. */
export function namesOf(id: DatabaseId): DatabaseNames {
  const database = `t_${id.slice(4).toLowerCase()}`;
  if (!id.startsWith('dbs_') || !isDatabaseName(database)) throw new TypeError(`not a database id: ${id}`);
  return {
    database,
    owner: `${database}_own`,
    logins: {
      mig: `${database}_mig`,
      app_a: `${database}_app_a`,
      app_b: `${database}_app_b`,
      ro: `${database}_ro`,
    },
  };
}

/** The id of the database with this name, or undefined when the name is not of our form. */
export function databaseIdOf(name: string): DatabaseId | undefined {
  return isDatabaseName(name) ? `dbs_${name.slice(2).toUpperCase()}` : undefined;
}

/** The context a login's password is sealed with; opening it for another database or login fails. */
export function secretContext(id: DatabaseId, login: Login): string {
  return `${id}/${login}`;
}
