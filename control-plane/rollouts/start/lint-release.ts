// Owns linting what is to become a release, against what is released already and the oldest server of the fleet.
import { catalogFault } from '../../../catalog/errors.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { ReleaseLane } from '../../../catalog/releases.ts';
import type { WrittenLane } from '../../migration-files/migration-file.ts';
import { lintLane } from '../../migration-lint/lint-lane.ts';
import { type Finding, isBlocking } from '../../migration-lint/rule.ts';
import { SquawkUnavailable } from '../../migration-lint/run-squawk.ts';

/** As many as a person reads; the command line lints the folder itself and shows all. */
const findingsShownMax = 100;

/**
 * @param newest of the lane, undefined for its first release
 * @returns what is kept of the findings in new files, none of which refuses the release
 * @throws Fault lint_failed, linter_unavailable
 */
export async function lintRelease(
  db: CatalogDb,
  lane: WrittenLane,
  newest: ReleaseLane | undefined,
): Promise<object[]> {
  const findings = await findingsOf(db, lane, newest);
  const blocking = findings.filter(isBlocking);
  if (blocking.length === 0) return keptOf(findings);
  const [first] = blocking as [Finding];
  const more = blocking.length === 1 ? '' : ` and ${blocking.length - 1} more`;
  throw catalogFault(
    'lint_failed',
    `${first.file}, line ${first.line}: ${first.message} (${first.rule})${more}. Write it the safe way, or waive it in the file with "-- freehold: allow ${first.rule}: <reason>".`,
    { extra: { findings: blocking.slice(0, findingsShownMax), findings_total: blocking.length } },
  );
}

/** Without the texts of the rules, which are looked up when a person reads them. */
export function keptOf(findings: readonly Finding[]): object[] {
  return findings.map(({ why: _why, remedy: _remedy, example: _example, history: _history, ...kept }) => kept);
}

/** @throws Fault linter_unavailable */
export async function findingsOf(
  db: CatalogDb,
  lane: WrittenLane,
  newest: ReleaseLane | undefined,
): Promise<Finding[]> {
  const released = Math.min(newest?.files.length ?? 0, lane.files.length);
  const serverMajor = await oldestServerMajor(db);
  try {
    return await lintLane(lane, { released, ...(serverMajor !== undefined && { serverMajor }) });
  } catch (cause) {
    if (!(cause instanceof SquawkUnavailable)) throw cause;
    throw catalogFault('linter_unavailable', 'The linter cannot run on this server; its operator must install it.', {
      internal: cause.message,
      cause,
    });
  }
}

async function oldestServerMajor(db: CatalogDb): Promise<number | undefined> {
  const row = await db
    .selectFrom('clusters')
    .select(({ fn }) => fn.min('server_version_num').as('oldest'))
    .executeTakeFirst();
  return row?.oldest == null ? undefined : Math.floor(Number(row.oldest) / 10_000);
}
