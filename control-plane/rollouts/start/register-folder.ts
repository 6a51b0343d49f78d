// Owns what a control plane does with its own folders when it starts: each becomes a release, unless it is one. Its findings are
// kept and told, but refuse nothing, for a process that does not start helps nobody. New databases do not get it before a rollout
// has brought the fleet there; only the first release of a lane has no fleet to wait for.
import { systemCaller } from '../../../catalog/caller.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { findReleaseByHash } from '../../../catalog/releases.ts';
import { isFault } from '../../../platform/errors.ts';
import type { Log } from '../../../platform/log.ts';
import type { WrittenLane } from '../../migration-files/migration-file.ts';
import { isBlocking } from '../../migration-lint/rule.ts';
import { newestOf } from './accept-release.ts';
import { findingsOf, keptOf } from './lint-release.ts';
import { type Registration, registerRelease } from './register-release.ts';

/** @throws Fault release_history_changed */
export async function registerFolder(db: CatalogDb, lane: WrittenLane, log: Log): Promise<Registration> {
  const isKnown = (await findReleaseByHash(db, lane.name, lane.hash)) !== undefined;
  const lint = isKnown ? [] : await findingsToTell(db, lane, log);
  const registration = await registerRelease(db, { lane, lint }, systemCaller('start'));
  const { release, isNew, isHead } = registration;
  const told = { lane: lane.name, release: release.name, version: release.version };
  if (isNew && !isHead) log.info(told, 'a newer folder is released; `freehold fleet migrate` brings the fleet there');
  else log.debug({ ...told, is_new: isNew, is_head: isHead }, 'release of the folder');
  return registration;
}

async function findingsToTell(db: CatalogDb, lane: WrittenLane, log: Log): Promise<object[]> {
  try {
    const findings = await findingsOf(db, lane, await newestOf(db, lane.name));
    const errors = findings.filter(isBlocking);
    if (errors.length > 0) {
      const shown = errors.map(({ file, line, rule }) => `${file}:${line} ${rule}`);
      log.warn({ lane: lane.name, findings: shown }, 'the folder breaks rules of the linter');
    }
    return keptOf(findings);
  } catch (error) {
    if (!isFault(error, 'linter_unavailable')) throw error;
    log.warn({ lane: lane.name, err: error }, 'the folder was not linted');
    return [];
  }
}
