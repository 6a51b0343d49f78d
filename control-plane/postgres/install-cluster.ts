// Owns what is done to a cluster once, with a superuser: checks, roles, the admin database with the provisioning functions,
// the hardened template. Run again it changes only what differs, so it is the upgrade as well. Each part is one
// transaction or is built aside and renamed: a crash leaves nothing that a second run does not complete.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { catalogFault } from '../../catalog/errors.ts';
import { describeAddress, type PostgresAddress } from '../../platform/postgres/address.ts';
import { ConnectionLostError } from '../../platform/postgres/errors.ts';
import { randomPassword, scramVerifier } from '../../platform/postgres/scram.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { type Capabilities, checkServer } from './check-server.ts';
import {
  adminDatabase,
  migratorsRole,
  poolerConnectionsMax,
  poolerRole,
  provisionerConnectionsMax,
  provisionerRole,
  templateDatabase,
  tenantsRole,
} from './cluster-names.ts';
import { retryOnBusyCatalog } from './retry-on-busy-catalog.ts';

export type InstallClusterOptions = {
  /** A superuser, any database that it may connect to. Used here and forgotten. */
  address: PostgresAddress;
  /** Under the sealing key: tells a cluster of this installation from one of another. */
  mac(text: string): string;
  /** Under any known sealing key; `mac` alone when absent. */
  isMac?(text: string, mac: string): boolean;
  log: { info(fields: object, message: string): void };
  /** Given at an upgrade so that nothing changes for those who are connected; a new one otherwise. */
  provisionerPassword?: string;
  /** Sessions that runtimes may open there. */
  connectionBudget?: number;
};

export type InstalledCluster = {
  provisionerPassword: string;
  serverVersionNum: number;
  capabilities: Capabilities;
  problems: string[];
};

/** @throws Fault cluster_unreachable | cluster_unsuitable (extra.problems: one sentence each) */
export async function installCluster(options: InstallClusterOptions): Promise<InstalledCluster> {
  const { address, log } = options;
  const open = (database: string) => openSession({ ...address, database }, { applicationName: 'freehold-install' });
  const session = await open(address.database).catch((error) => {
    throw unreachable(address, error);
  });
  try {
    const { serverVersionNum, capabilities, problems } = await checkServer(session, options.connectionBudget);
    // Two installers on one server take turns; the lock goes with the session.
    if (capabilities.superuserAtInstall) await session.query('select pg_advisory_lock($1)', [installLockId]);
    if (problems.length === 0) problems.push(...(await foreignProblems(session, options)));
    if (problems.length > 0) throw unsuitable(problems);
    const provisionerPassword = options.provisionerPassword ?? randomPassword();
    await makeClusterRoles(session, scramVerifier(provisionerPassword), options.mac(installationText));
    await makeAdminDatabase(session, open);
    await closeToPublic(session);
    await makeTemplate(session, open, capabilities);
    log.info({ server: describeAddress(address), serverVersionNum }, 'cluster installed');
    return { provisionerPassword, serverVersionNum, capabilities, problems };
  } catch (error) {
    throw error instanceof ConnectionLostError ? unreachable(address, error) : error;
  } finally {
    await session.close();
  }
}

/** What this version of Freehold leaves on a cluster as comments: fsck compares. */
export function installedStamps(): { functions: string; template: string } {
  return {
    functions: `freehold-functions:${sha256(functionsSql())}`,
    template: `freehold-template:${sha256(readSql('template.sql'))}`,
  };
}

type Open = (database: string) => Promise<Session>;

const installLockId = '7309453214887011';
const installationText = 'installation';
const clusterRoles = [provisionerRole, tenantsRole, migratorsRole, poolerRole];

/** What bears our names without our mark is never taken over. */
async function foreignProblems(session: Session, { mac, isMac }: InstallClusterOptions): Promise<string[]> {
  const check = isMac ?? ((text: string, given: string) => mac(text) === given);
  const { rows } = await session.query<{ rolname: string; mark: string | null }>(
    `select rolname, shobj_description(oid, 'pg_authid') as mark from pg_roles where rolname = any ($1::text[])`,
    [`{${clusterRoles.join(',')}}`],
  );
  return rows.flatMap(({ rolname, mark }) => {
    const [kind, given = ''] = mark?.split(':') ?? [];
    if (kind === 'freehold-installation' && check(installationText, given)) return [];
    return [
      `The role ${rolname} exists and was not made by this installation: use a server that no other installation uses.`,
    ];
  });
}

async function makeClusterRoles(session: Session, verifier: string, mac: string): Promise<void> {
  const { rows } = await session.query<{ rolname: string }>('select rolname from pg_roles');
  const existing = new Set(rows.map((row) => row.rolname));
  const statements = clusterRoles.flatMap((role) => [
    ...(existing.has(role) ? [] : [`create role ${role}`]),
    `comment on role ${role} is ${literal(`freehold-installation:${mac}`)}`,
    `alter role ${role} nosuperuser nocreaterole noreplication nobypassrls`,
  ]);
  // synchronous: an acknowledged install is not lost. The verifier has no quote in it, by its alphabet.
  statements.push(
    `alter role ${provisionerRole} login createdb noinherit connection limit ${provisionerConnectionsMax} password ${literal(verifier)}`,
    `alter role ${provisionerRole} set search_path = pg_catalog, pg_temp`,
    // Its parameters are verifiers and proofs: not for the server's log, also where every statement is logged (A08).
    `alter role ${provisionerRole} set log_parameter_max_length = 0`,
    `alter role ${poolerRole} login nocreatedb noinherit connection limit ${poolerConnectionsMax}`, // its password is the operator's
    `alter role ${poolerRole} set search_path = pg_catalog, pg_temp`,
    `alter role ${tenantsRole} nologin nocreatedb inherit connection limit -1`,
    `alter role ${migratorsRole} nologin nocreatedb inherit connection limit -1`,
  );
  // In a message of its own: what is logged is decided before a message begins.
  await session.script(
    'set log_statement = none; set log_min_duration_statement = -1; set log_min_error_statement = panic',
  );
  await transaction(session, statements.join(';\n'));
  await session.script('reset log_statement; reset log_min_duration_statement; reset log_min_error_statement');
}

/** The functions are dropped and made again, in one transaction, when their text has changed. */
async function makeAdminDatabase(session: Session, open: Open): Promise<void> {
  if ((await databaseComment(session, adminDatabase)) === undefined) {
    await session.query(`create database ${adminDatabase} template template0`);
  }
  const admin = await open(adminDatabase);
  try {
    const sql = functionsSql();
    const stamp = installedStamps().functions;
    const { rows } = await admin.query<{ stamp: string | null }>(
      `select obj_description(oid, 'pg_namespace') as stamp from pg_namespace where nspname = 'freehold'`,
    );
    if (rows[0]?.stamp === stamp) return;
    await transaction(
      admin,
      `drop schema if exists freehold cascade;\n${sql}\ncomment on schema freehold is ${literal(stamp)};
       revoke all on schema public from public;
       grant connect on database ${adminDatabase} to ${provisionerRole}, ${poolerRole}`,
    );
  } finally {
    await admin.close();
  }
}

/** PostgreSQL lets everybody into every database and make temporary tables there. Tenant databases are closed when made. */
async function closeToPublic(session: Session): Promise<void> {
  const { rows } = await session.query<{ datname: string }>(`select datname from pg_database d
    where datallowconn and datconnlimit <> -2 and datname !~ '^t_[0-7][0-9a-hjkmnp-tv-z]{25}$'
      and exists (select from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) where grantee = 0)`);
  for (const { datname } of rows) {
    try {
      await retryOnBusyCatalog(() => session.query(`revoke all on database ${identifier(datname)} from public`));
    } catch (error) {
      if ((error as { sqlstate?: string }).sqlstate !== '3D000') throw error; // dropped meanwhile
    }
  }
}

async function makeTemplate(session: Session, open: Open, { builtinLocale }: Capabilities): Promise<void> {
  const sql = readSql('template.sql');
  const stamp = installedStamps().template;
  await removeTemplateWork(session);
  const current = await databaseComment(session, templateDatabase);
  if (current === stamp) return;
  if (current !== undefined && !current?.startsWith('freehold-template:')) {
    throw unsuitable([`The database ${templateDatabase} exists and was not made by Freehold: rename it.`]);
  }
  const suffix = randomBytes(6).toString('hex');
  const building = `${templateDatabase}_new_${suffix}`;
  // builtin C.UTF-8 sorts the same on every operating system for ever; PostgreSQL 16 has only C for that.
  const locale = builtinLocale ? `locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'` : `locale 'C'`;
  await session.query(`create database ${building} template template0 encoding 'UTF8' ${locale}`);
  const inside = await open(building);
  try {
    await transaction(inside, sql);
  } finally {
    await inside.close();
  }
  await session.query(`revoke all on database ${building} from public`);
  await session.query(`alter database ${building} with allow_connections false is_template true`);
  await session.query(`comment on database ${building} is ${literal(stamp)}`);
  const old = `${templateDatabase}_old_${suffix}`;
  const rename = current === undefined ? '' : `alter database ${templateDatabase} rename to ${old};`;
  await retryOnBusyCatalog(() =>
    transaction(session, `${rename} alter database ${building} rename to ${templateDatabase}`),
  );
  await removeTemplateWork(session);
}

/** Old templates, and new ones whose builder died: the install lock says that nobody builds now. */
async function removeTemplateWork(session: Session): Promise<void> {
  const { rows } = await session.query<{ datname: string }>(
    `select datname from pg_database where datname ~ '^freehold_template_(new|old)_[0-9a-f]{12}$'`,
  );
  for (const { datname } of rows) {
    await retryOnBusyCatalog(async () => {
      await session.query(`alter database ${datname} with is_template false`);
      await session.query(`drop database if exists ${datname} with (force)`);
    });
  }
}

/** undefined: no such database; null: no comment. */
async function databaseComment(session: Session, name: string): Promise<string | null | undefined> {
  const { rows } = await session.query<{ comment: string | null }>(
    `select shobj_description(oid, 'pg_database') as comment from pg_database where datname = $1`,
    [name],
  );
  return rows[0]?.comment;
}

async function transaction(session: Session, sql: string): Promise<void> {
  await session.begin();
  try {
    await session.script(sql);
    await session.commit();
  } catch (error) {
    if (session.usable) await session.rollback();
    throw error;
  }
}

/** All of the schema freehold of the admin database, in the order of its making. */
function functionsSql(): string {
  const names = ['provisioning.sql', 'removal.sql', 'clones.sql', 'inspection.sql', 'sessions.sql', 'pooler.sql'];
  return names.map(readSql).join('');
}

/** Read once: what this process installs and what it compares with is one version, also while files are being replaced. */
function readSql(name: string): string {
  const text = sqlTexts.get(name) ?? readFileSync(new URL(`sql/${name}`, import.meta.url), 'utf8');
  sqlTexts.set(name, text);
  return text;
}

const sqlTexts = new Map<string, string>();

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function unreachable(address: PostgresAddress, cause: unknown) {
  return catalogFault(
    'cluster_unreachable',
    'The PostgreSQL server could not be reached or refused the login. Check host, port, TLS and the superuser credential.',
    {
      internal: `${describeAddress(address)}: ${(cause as Error).message}`,
      cause,
    },
  );
}

function unsuitable(problems: string[]) {
  return catalogFault('cluster_unsuitable', `The server cannot hold tenants yet. ${problems.join(' ')}`, {
    extra: { problems },
  });
}
