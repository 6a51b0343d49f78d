// Owns the databases of the system server: catalog and queue apart, and a login for the runtime that owns nothing.
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { scramVerifier } from '../../platform/postgres/scram.ts';
import { openSession } from '../../platform/postgres/session.ts';

export type SystemUrls = { catalog: string; queue: string; runtimeCatalog: string };

/** Repeatable: makes what is missing. */
export async function prepareSystemDatabases(superuser: PostgresAddress, runtimePassword: string): Promise<SystemUrls> {
  const session = await openSession(superuser, { applicationName: 'freehold-dev' });
  try {
    for (const name of ['freehold_catalog', 'freehold_queue']) {
      const found = await session.query('select 1 from pg_database where datname = $1', [name]);
      if (found.rowCount === 0) await session.script(`create database ${name}`);
    }
    await session.script(`
      do $$ begin
        if not exists (select from pg_roles where rolname = 'freehold_runtime') then create role freehold_runtime nologin; end if;
        if not exists (select from pg_roles where rolname = 'freehold_runtime_login') then create role freehold_runtime_login login in role freehold_runtime; end if;
      end $$;
      alter role freehold_runtime_login password '${scramVerifier(runtimePassword)}';
      revoke connect, temporary on database freehold_catalog, freehold_queue, postgres, template1 from public;
      grant connect on database freehold_catalog to freehold_runtime;`);
  } finally {
    await session.close();
  }
  const url = (user: string, password: string, database: string) =>
    `postgres://${user}:${encodeURIComponent(password)}@${superuser.host}:${superuser.port}/${database}`;
  return {
    catalog: url(superuser.user, superuser.password, 'freehold_catalog'),
    queue: url(superuser.user, superuser.password, 'freehold_queue'),
    runtimeCatalog: url('freehold_runtime_login', runtimePassword, 'freehold_catalog'),
  };
}
