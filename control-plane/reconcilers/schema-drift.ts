// Owns that drift is noticed without anybody asking: a few databases a minute, those whose last look is the longest ago. It only
// looks: what it finds is an event, a log line, a metric and a line of `freehold fleet drift`.
import { longestUnchecked } from '../../catalog/schema-checks.ts';
import type { FleetLook } from '../rollouts/look/fleet-look.ts';
import type { Reconciler } from './reconciler.ts';

/** One login and one query of some 20 ms each: 50 a minute are a thousandth of a cluster's time, and 3,000 databases an hour. */
const perRunMax = 50;
/** A small fleet is not looked at over and over. */
const againAfterMs = 600_000;
const concurrency = 1;

export type SchemaDriftDeps = {
  readonly drift: FleetLook['drift'];
  /** A shorter one for tests. */
  readonly againAfterMs?: number;
};

export function schemaDriftReconciler({ drift, againAfterMs: again = againAfterMs }: SchemaDriftDeps): Reconciler {
  /** Until when one that gave no answer is left alone: it has no row by which it would be the latest. */
  const resting = new Map<string, number>();
  return {
    name: 'schema-drift',
    everyMs: 60_000,
    async run({ catalog }) {
      const now = performance.now();
      for (const [id, untilMs] of resting) if (untilMs <= now) resting.delete(id);
      const due = await longestUnchecked(catalog, again, perRunMax + resting.size);
      const databases = due.filter(({ databaseId }) => !resting.has(databaseId)).slice(0, perRunMax);
      const found = { looked: 0, drifted: [] as string[], unanswered: [] as { database: string; code: string }[] };
      for await (const line of drift(databases, { concurrency })) {
        const id = line.database.databaseId;
        if ('error' in line) {
          found.unanswered.push({ database: id, code: line.error.code });
          resting.set(id, performance.now() + again);
          continue;
        }
        found.looked++;
        if (line.verdict.drifted) found.drifted.push(id);
      }
      return found;
    },
  };
}
