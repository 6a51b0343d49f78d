// Owns what a rollout is refused for by where the fleet stands, before any database is touched.
import { catalogFault } from '../../../catalog/errors.ts';
import { compareVersions } from '../../../catalog/lane-versions.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { ReleaseRow } from '../../../catalog/releases.ts';
import { listRuntimeInstances } from '../../../catalog/runtime-instances.ts';
import type { Target } from '../../../catalog/targets.ts';
import { parseSql, type SqlStatement, SqlSyntaxError } from '../../migration-files/parse-sql.ts';
import { transactionProblem } from '../../migration-files/transaction-rules.ts';
import type { Stand } from './where-they-stand.ts';

/** @throws Fault statement_refused */
export async function refuseBadStatement(statement: string | null): Promise<void> {
  if (statement === null) throw catalogFault('statement_refused', 'An exec needs a statement.');
  const statements = await parsed(statement);
  if (statements.length === 0) throw catalogFault('statement_refused', 'There is no statement.');
  for (const { kind, line, text } of statements) {
    if (!forbidden.test(kind)) continue;
    throw catalogFault('statement_refused', `Line ${line}: ${text.slice(0, 60)} is not allowed in a fleet.`);
  }
  const problem = transactionProblem(statements);
  if (problem === undefined) return;
  const text = `Line ${problem.line}: ${problem.problem}, and an exec is one with its bookkeeping; write a migration file.`;
  throw catalogFault('statement_refused', text);
}

const forbidden =
  /^(Transaction|VariableSet|CreateRole|AlterRole|DropRole|GrantRole|Createdb|Dropdb|AlterDatabase|AlterSystem)/;

async function parsed(text: string): Promise<SqlStatement[]> {
  try {
    return await parseSql(text);
  } catch (error) {
    if (!(error instanceof SqlSyntaxError)) throw error;
    const where = `line ${error.line}, column ${error.column}: ${error.message}`;
    throw catalogFault('statement_refused', `The statement does not parse: ${where}.`);
  }
}

/** What a database has of the lane must be of a release that has this one's files. @throws Fault release_history_changed */
export function refuseStrangers(
  targets: readonly Target[],
  release: ReleaseRow,
  standOf: (target: Target) => Stand,
): void {
  const strange = targets.filter((target) => standOf(target).at === 'strange');
  if (strange.length === 0) return;
  const text = `${namesOf(strange)} hold files that release ${release.name} does not begin with. Find the release that they were migrated with.`;
  throw catalogFault('release_history_changed', text, { extra: { databases: strange.length } });
}

/** @throws Fault release_behind */
export function refuseBeyond(
  targets: readonly Target[],
  release: ReleaseRow,
  standOf: (target: Target) => Stand,
): void {
  const beyond = targets.filter((target) => standOf(target).at === 'beyond');
  if (beyond.length === 0) return;
  const text = `${namesOf(beyond)} stand beyond release ${release.name} already. To go back, use a rollback; to go on, name a newer release.`;
  throw catalogFault('release_behind', text, { extra: { databases: beyond.length } });
}

/** @throws Fault not_reversible */
export function refuseOneWay(targets: readonly Target[], standOf: (target: Target) => Stand): void {
  for (const target of targets) {
    const stand = standOf(target);
    const oneWay = stand.at === 'beyond' ? stand.undo.find((file) => !file.reversible) : undefined;
    if (oneWay === undefined) continue;
    const text = `${oneWay.name}, which ${nameOf(target)} holds, declares no way back; write a release that goes forward.`;
    throw catalogFault('not_reversible', text);
  }
}

/** M11. @throws Fault contract_refused */
export async function refuseContract(db: CatalogDb, release: ReleaseRow, fleet: readonly Target[]): Promise<void> {
  const requires = release.contract_requires;
  if (requires === null) return;
  const behind = fleet.filter(({ version }) => version === null || compareVersions(version, requires) < 0);
  if (behind.length > 0) {
    const text = `${behind.length} databases are below version ${requires}, which this contract release requires: ${namesOf(behind)}.`;
    throw catalogFault('contract_refused', text);
  }
  const needing = await runtimesBefore(db, release.version);
  if (needing.length === 0) return;
  throw catalogFault(
    'contract_refused',
    `${needing.length} live runtimes serve no version from ${release.version} on: ${needing.slice(0, 5).join(', ')}. Deploy the newer application first.`,
  );
}

/** Live runtimes whose declared range ends before this version, as host/pid. */
export async function runtimesBefore(db: CatalogDb, version: string): Promise<string[]> {
  const instances = await listRuntimeInstances(db);
  return instances
    .filter(({ live, stats }) => {
      const max = (stats.schema_range as { max?: string | null } | undefined)?.max;
      return live && typeof max === 'string' && compareVersions(max, version) < 0;
    })
    .map(({ host, pid }) => `${host}/${pid}`);
}

const namedMax = 5;

function namesOf(targets: readonly Target[]): string {
  const names = targets.slice(0, namedMax).map(nameOf).join(', ');
  return targets.length > namedMax ? `${names} and ${targets.length - namedMax} more` : names;
}

function nameOf({ slug, databaseId }: Target): string {
  return slug ?? databaseId;
}
