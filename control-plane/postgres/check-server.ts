// Owns the question whether a server may hold tenants, and what can be promised there. Looks and tries, changes nothing
// that stays: probes run in a transaction that is rolled back.
import type { Session } from '../../platform/postgres/session.ts';
import { provisionerConnectionsMax } from './cluster-names.ts';
import { versionProblem } from './minimum-versions.ts';

export type Capabilities = {
  serverVersion: string;
  superuserAtInstall: boolean;
  /** pg_hba has the second lock of tenant-hba.ts. */
  hbaSameRole: boolean;
  /** temp_file_limit can be set per role and not undone by the role. */
  tempFileLimit: boolean;
  /** GRANT SET ON PARAMETER works. */
  parameterGrants: boolean;
  icu: boolean;
  /** The locale of the template does not depend on the operating system, so it cannot change under an index. */
  builtinLocale: boolean;
  fileCopyMethod: 'copy' | 'clone' | 'none';
  walLevel: string;
  logicalReplication: boolean;
  ssl: boolean;
  maxConnections: number;
  /** PostgreSQL 17: transaction_timeout. */
  transactionTimeout: boolean;
  dataChecksums: boolean;
};

type Facts = {
  version_num: number;
  version: string;
  is_superuser: boolean;
  max_connections: number;
  reserved: number;
  max_prepared_transactions: number;
  password_encryption: string;
  wal_level: string;
  file_copy_method: string | null;
  ssl: boolean;
  data_checksums: boolean;
  in_recovery: boolean;
};

export type ServerCheck = { serverVersionNum: number; capabilities: Capabilities; problems: string[] };

/** @param connectionBudget sessions that runtimes may open there, if it is known already */
export async function checkServer(session: Session, connectionBudget = 0): Promise<ServerCheck> {
  const facts = (await session.query<Facts>(factsSql)).rows[0] as Facts;
  const problems = settingProblems(facts, connectionBudget);
  const hba = facts.is_superuser ? await readHba(session) : { problems: [], sameRole: false };
  problems.push(...hba.problems);
  if (facts.is_superuser) problems.push(...(await md5Problems(session)));
  const tries = (sql: string) => worksRolledBack(session, sql);
  const capabilities: Capabilities = {
    serverVersion: facts.version,
    superuserAtInstall: facts.is_superuser,
    hbaSameRole: hba.sameRole,
    tempFileLimit: await tries('create role freehold_probe; alter role freehold_probe set temp_file_limit = 1024'),
    parameterGrants: await tries(
      'create role freehold_probe; grant set on parameter temp_file_limit to freehold_probe',
    ),
    icu: await tries("create collation pg_temp.freehold_probe (provider = icu, locale = 'und')"),
    builtinLocale: await tries("create collation pg_temp.freehold_probe (provider = builtin, locale = 'C.UTF-8')"),
    fileCopyMethod: facts.file_copy_method === null ? 'none' : (facts.file_copy_method as 'copy' | 'clone'),
    walLevel: facts.wal_level,
    logicalReplication: facts.wal_level === 'logical',
    ssl: facts.ssl,
    maxConnections: facts.max_connections,
    transactionTimeout: facts.version_num >= 170_000,
    dataChecksums: facts.data_checksums,
  };
  return { serverVersionNum: facts.version_num, capabilities, problems };
}

const factsSql = `select current_setting('server_version_num')::int as version_num, current_setting('server_version') as version,
  current_setting('is_superuser') = 'on' as is_superuser, current_setting('max_connections')::int as max_connections,
  current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
  current_setting('max_prepared_transactions')::int as max_prepared_transactions,
  current_setting('password_encryption') as password_encryption, current_setting('wal_level') as wal_level,
  current_setting('file_copy_method', true) as file_copy_method, current_setting('ssl') = 'on' as ssl,
  current_setting('data_checksums') = 'on' as data_checksums, pg_is_in_recovery() as in_recovery`;

function settingProblems(facts: Facts, connectionBudget: number): string[] {
  const problems: string[] = [];
  const version = versionProblem(facts.version_num);
  if (version !== undefined) problems.push(version);
  if (!facts.is_superuser)
    problems.push('The login is not a superuser: register the cluster with a superuser, it is used once.');
  if (facts.in_recovery) problems.push('The server is a standby: register the primary.');
  if (facts.max_prepared_transactions !== 0) {
    problems.push(`max_prepared_transactions is ${facts.max_prepared_transactions}: set it to 0 and restart.`);
  }
  if (facts.password_encryption !== 'scram-sha-256') {
    problems.push(`password_encryption is ${facts.password_encryption}: set it to scram-sha-256.`);
  }
  const usable = facts.max_connections - facts.reserved - provisionerConnectionsMax;
  if (usable < Math.max(connectionBudget, 1)) {
    problems.push(
      `max_connections is ${facts.max_connections}: ${facts.reserved} are reserved and ${provisionerConnectionsMax} are for the provisioner, ` +
        `which leaves ${Math.max(usable, 0)}; raise it to at least ${facts.reserved + provisionerConnectionsMax + Math.max(connectionBudget, 1)}.`,
    );
  }
  return problems;
}

/** Methods that let a login in without proof, with a password in clear text, or by what the client says about itself. */
const weakMethods = new Set(['trust', 'password', 'md5', 'ident', 'peer']);

type HbaRule = {
  line_number: number;
  type: string;
  database: string[] | null;
  user_name: string[] | null;
  auth_method: string | null;
  error: string | null;
  superusers_only: boolean;
};

async function readHba(session: Session): Promise<{ problems: string[]; sameRole: boolean }> {
  const { rows } =
    await session.query<HbaRule>(`select line_number, type, to_json(database) as database, to_json(user_name) as user_name,
    auth_method, error, coalesce((select bool_and(coalesce((select rolsuper from pg_roles where rolname = name), false))
      from unnest(user_name) as name), false) as superusers_only
    from pg_hba_file_rules order by line_number`);
  const problems = rows.flatMap((rule) => {
    if (rule.error !== null) return [`pg_hba.conf line ${rule.line_number} is not valid: ${rule.error}.`];
    if (!weakMethods.has(rule.auth_method ?? '') || rule.superusers_only) return [];
    return [
      `pg_hba.conf line ${rule.line_number} lets ${rule.user_name?.join(', ')} in by ${rule.auth_method} (${rule.type}): use scram-sha-256.`,
    ];
  });
  const first = rows.findIndex(
    (rule) => rule.user_name?.includes('+freehold_tenants') && rule.auth_method === 'reject',
  );
  const before = rows
    .slice(0, Math.max(first, 0))
    .filter((rule) => rule.user_name?.some((name) => name === 'all' || name.startsWith('+')));
  const sameRole =
    first >= 0 &&
    before.every((rule) => rule.database?.every((name) => name === 'samerole') || rule.auth_method === 'reject');
  return { problems, sameRole };
}

async function md5Problems(session: Session): Promise<string[]> {
  const { rows } = await session.query<{ rolname: string }>(
    `select rolname from pg_authid where rolpassword like 'md5%' order by 1`,
  );
  return rows.map(
    (row) => `Role ${row.rolname} has an md5 password: set it again under password_encryption scram-sha-256.`,
  );
}

async function worksRolledBack(session: Session, sql: string): Promise<boolean> {
  await session.begin();
  try {
    await session.script(sql);
    return true;
  } catch (error) {
    if (!session.usable) throw error;
    return false;
  } finally {
    if (session.usable) await session.rollback();
  }
}
