// Owns dry runs: a release tried in scratch databases before anything is begun.
import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../../catalog/audit.ts';
import { selectionSchema } from '../../../catalog/rollout-policy.ts';
import { planDryRun } from '../../rollouts/look/dry-run.ts';
import { plainText } from '../input-shapes.ts';
import { dryRunLineSchema, presentDryRun } from '../present/dry-run.ts';
import { type AdminRoute, defineRoute } from '../route.ts';
import { linesType, streamLines } from '../stream-lines.ts';

export const dryRunSchema = z
  .strictObject({
    lane: z.enum(['core', 'tenant']).default('tenant'),
    release: plainText(100).default('latest').openapi({ description: 'Id, name, or `latest`.' }),
    selection: selectionSchema.prefault({}),
  })
  .openapi('DryRun');

export const fleetDryRunRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/fleet/dry-runs',
      operationId: 'dryRun',
      tag: 'Fleet',
      summary: 'Try a release in scratch databases',
      description:
        'For each version at which the selected tenants stand, a scratch database is made at that version and the missing files are applied to it one by one, by the migrator itself: `begin`, then `file` for each with its time and its locks, `passed` or `failed` for each version, `summary`. No tenant is touched and no rollout begun. Scratch databases hold no rows, so times say little and what depends on data is not found.',
      access: ['dba', 'owner'],
      audit: 'fleet.dry_run',
      body: dryRunSchema,
      answers: { 200: { description: 'The stream.', schema: dryRunLineSchema, contentType: linesType } },
      faults: [
        'release_not_found',
        'release_history_changed',
        'selection_invalid',
        'selection_empty',
        'target_group_not_found',
      ],
    },
    async (deps, { c, caller, body }) => {
      const plan = await planDryRun(deps.db, body);
      const { release, starts } = plan;
      const detail = { lane: body.lane, selection: body.selection, versions: starts.length };
      const entry = { action: 'fleet.dry_run', targetType: 'release', targetId: release.id, detail } as const;
      await deps.db.transaction().execute((tx) => writeAudit(tx, caller, entry));
      return streamLines(deps, c, (signal) => presentDryRun(plan, deps.fleet.dryRun(plan, signal)));
    },
  ),
];
