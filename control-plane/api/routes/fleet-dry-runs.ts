// Owns dry runs: a release tried in scratch databases, or on a copy of one tenant's, before anything is begun.
import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import { type Selection, selectionSchema } from '../../../catalog/rollout-policy.ts';
import { type DryRunPlan, planDryRun } from '../../rollouts/look/dry-run.ts';
import { plainText } from '../input-shapes.ts';
import { dryRunLineSchema, presentDryRun } from '../present/dry-run.ts';
import { type AdminRoute, defineRoute } from '../route.ts';
import { linesType, streamLines } from '../stream-lines.ts';

/** A copy lies beside all other tenants of its cluster, and a migration may double it. */
const cloneBytesMax = 10 * 1024 ** 3;

export const dryRunSchema = z
  .strictObject({
    lane: z.enum(['core', 'tenant']).default('tenant'),
    release: plainText(100).default('latest').openapi({ description: 'Id, name, or `latest`.' }),
    selection: selectionSchema.optional(),
    clone_tenant: plainText(100).optional().openapi({
      description:
        'Slug or id: try it on a copy of this tenant’s database, with its rows. The tenant must be suspended, or active with nobody in its database.',
    }),
    clone_max_bytes: z.int().min(1).default(cloneBytesMax).openapi({ description: 'A larger database is not copied.' }),
  })
  .refine((body) => body.selection === undefined || body.clone_tenant === undefined, {
    path: ['clone_tenant'],
    message: 'is a selection of its own: leave `selection` out',
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
        'For each version at which the selected tenants stand, a scratch database is made at that version and the missing files are applied to it one by one, by the migrator itself: `begin`, then `file` for each with its time, its locks and the tables that it writes again, `passed` or `failed` for each version, `summary`. No tenant is touched and no rollout begun. Scratch databases hold no rows, so times say little and what depends on data is not found; with `clone_tenant` it is a copy of that tenant’s database, on its cluster, that nobody but the dry run gets into and that is dropped when the lines come. The audit log says who copied whose data.',
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
        'tenant_not_found',
        'wrong_state',
        'clone_source_in_use',
        'clone_too_large',
        'cluster_outdated',
        'cluster_unreachable',
      ],
    },
    async (deps, { c, caller, body }) => {
      const { lane, release, selection = {}, clone_tenant: tenant, clone_max_bytes: bytesMax } = body;
      const plan =
        tenant === undefined
          ? await planDryRun(deps.db, { lane, release, selection })
          : await deps.fleet.planClone({ lane, release, tenant, bytesMax });
      await deps.db.transaction().execute((tx) => auditDryRun(tx, caller, { lane, selection }, plan));
      return streamLines(deps, c, (signal) => presentDryRun(plan, deps.fleet.dryRun(plan, signal)));
    },
  ),
];

/** A copy has an entry of its own, on the tenant: it says who had its data. */
async function auditDryRun(
  tx: CatalogTx,
  caller: Caller,
  { lane, selection }: { lane: string; selection: Selection },
  { release, starts, clone }: DryRunPlan,
): Promise<void> {
  const of = clone === undefined ? { selection } : { clone_tenant: clone.tenantId };
  const detail = { lane, ...of, versions: starts.length };
  await writeAudit(tx, caller, { action: 'fleet.dry_run', targetType: 'release', targetId: release.id, detail });
  if (clone === undefined) return;
  await writeAudit(tx, caller, {
    action: 'tenant.clone',
    targetType: 'tenant',
    targetId: clone.tenantId,
    detail: { slug: clone.slug, database_id: clone.databaseId, bytes: clone.bytes, release_id: release.id },
  });
}
