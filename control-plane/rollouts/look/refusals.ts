// Owns what a rollout is refused for before any database is touched.
import { catalogFault } from '../../../catalog/errors.ts';
import { compareVersions } from '../../../catalog/lane-versions.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { ReleaseLane, ReleaseRow } from '../../../catalog/releases.ts';
import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import { listRuntimeInstances } from '../../../catalog/runtime-instances.ts';
import type { Target } from '../../../catalog/targets.ts';
import { parseSql, type SqlStatement, SqlSyntaxError } from '../../migration-files/parse-sql.ts';

/** Two wave members that contradict each other, a probe that does more than read. @throws Fault policy_invalid */
export async function refuseBadPolicy({ waves, probe }: RolloutPolicy): Promise<void> {
  const unclear = waves.find((wave) => (wave.size === undefined) === (wave.group === undefined));
  if (unclear !== undefined) throw catalogFault('policy_invalid', 'Give each wave either a size or a group.');
  if (probe === null) return;
  const [statement, second] = await parsed(probe, 'policy_invalid', 'The probe');
  if (statement?.kind !== 'SelectStmt' || second !== undefined)
    throw catalogFault('policy_invalid', 'The probe must be one SELECT that gives one true value.');
}

/** @throws Fault statement_refused */
export async function refuseBadStatement(statement: string): Promise<void> {
  const statements = await parsed(statement, 'statement_refused', 'The statement');
  if (statements.length === 0) throw catalogFault('statement_refused', 'There is no statement.');
  for (const { kind, line, text } of statements) {
    if (
      !/^(Transaction|VariableSet|CreateRole|AlterRole|DropRole|GrantRole|Createdb|Dropdb|AlterDatabase|AlterSystem)/.test(
        kind,
      )
    )
      continue;
    throw catalogFault('statement_refused', `Line ${line}: ${text.slice(0, 60)} is not allowed in a fleet.`);
  }
}

async function parsed(
  text: string,
  code: 'policy_invalid' | 'statement_refused',
  what: string,
): Promise<SqlStatement[]> {
  try {
    return await parseSql(text);
  } catch (error) {
    if (!(error instanceof SqlSyntaxError)) throw error;
    throw catalogFault(code, `${what} does not parse: line ${error.line}, column ${error.column}: ${error.message}.`);
  }
}

/** What a database has of the lane must be a beginning of the release. @throws Fault release_history_changed */
export function refuseStrangers(targets: readonly Target[], release: ReleaseRow, known: ReadonlySet<string>): void {
  const stranger = targets.find(({ hash }) => hash !== null && !known.has(hash));
  if (stranger === undefined) return;
  throw catalogFault(
    'release_history_changed',
    `${stranger.slug ?? stranger.databaseId} holds files that release ${release.name} does not begin with. Find the release that it was migrated with.`,
  );
}

/** M11. @throws Fault contract_refused */
export async function refuseContract(db: CatalogDb, release: ReleaseRow, fleet: readonly Target[]): Promise<void> {
  const requires = release.contract_requires;
  if (requires === null) return;
  const behind = fleet.filter(({ version }) => version === null || compareVersions(version, requires) < 0);
  if (behind.length > 0) {
    const names = behind.slice(0, 5).map(({ slug, databaseId }) => slug ?? databaseId);
    throw catalogFault(
      'contract_refused',
      `${behind.length} databases are below version ${requires}, which this contract release requires: ${names.join(', ')}${behind.length > 5 ? ', …' : ''}.`,
    );
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

/** @throws Fault not_reversible */
export function refuseOneWay(from: ReleaseLane, to: ReleaseLane): void {
  const kept = new Set(to.files.map((file) => file.name));
  const oneWay = from.files.find((file) => !kept.has(file.name) && file.down === null);
  if (oneWay !== undefined)
    throw catalogFault('not_reversible', `${oneWay.name} declares no way back; write a release that goes forward.`);
}
