// Owns how the plan of a rollout looks: whom it would touch, cluster by cluster and version by version, in which waves, with
// which files, and every reason why it may not begin.
import { z } from '@hono/zod-openapi';
import { maintenanceWindowSchema } from '../../../catalog/maintenance-window.ts';
import type { FileMark } from '../../../catalog/release-beginnings.ts';
import type { ReleaseFile, ReleaseLane } from '../../../catalog/releases.ts';
import { type Estimate, limitsOf } from '../../rollouts/look/estimate-rollout.ts';
import type { RolloutPlan } from '../../rollouts/look/rollout-plan.ts';
import { findingSchema, type LintFinding, presentFinding } from './release.ts';
import { rolloutKinds } from './rollout.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

const reason = z.object({ code: z.string(), message: z.string() });
const versions = z.array(z.object({ version: z.string().nullable(), databases: z.int() }));

const fileSchema = z.object({
  name: z.string(),
  direction: z.enum(['up', 'down']),
  transaction: z.boolean(),
  databases: z.int().openapi({ description: 'In so many it would run.' }),
  program: z.boolean().openapi({ description: 'It asks the database while it runs, so its SQL is known only there.' }),
  statements: z.array(z.string()).optional().openapi({ description: 'With ?sql=true.' }),
});

export const rolloutPlanSchema = z
  .object({
    kind: z.enum(rolloutKinds),
    lane: z.string(),
    release: z
      .object({ id: z.string(), name: z.string(), version: z.string(), contract_requires: z.string().nullable() })
      .nullable(),
    databases: z.int().openapi({ description: 'Would be touched, warm ones too.' }),
    tenants: z.int(),
    already_there: z.int(),
    closed: z.int().openapi({ description: 'Left out: their tenants are suspended or deleted.' }),
    moves_head: z.boolean(),
    approval: z.object({ required: z.boolean(), groups: z.array(z.string()) }),
    versions: versions.openapi({ description: 'Where those that would be touched stand now.' }),
    clusters: z.array(
      z.object({ id: z.string(), name: z.string(), databases: z.int(), already_there: z.int(), versions }),
    ),
    waves: z.array(
      z.object({
        position: z.int(),
        name: z.string(),
        group: z.string().nullable(),
        databases: z.int(),
        tenants: z.array(z.string()).openapi({ description: 'The first slugs of it.' }),
        bake_ms: z.int(),
        concurrency: z.int().nullable(),
        maintenance_window: maintenanceWindowSchema.nullable(),
        opens_at: timeSchema
          .nullable()
          .openapi({ description: 'Of a window: the next time it is open; now included.' }),
      }),
    ),
    files: z.array(fileSchema),
    findings: z
      .array(findingSchema)
      .openapi({ description: 'Of the linter on the files that would run, each when it was released.' }),
    limits: z.object({
      failures: z.int().openapi({ description: 'So many may fail; one more halts it.' }),
      at_once: z
        .int()
        .openapi({ description: 'Databases in flight at most: all of them failing breaks the budget by one.' }),
    }),
    estimate: z.object({ ms: z.int().nullable(), reason: z.string() }),
    warnings: z.array(reason),
    refusals: z.array(reason).openapi({ description: 'Why it would not begin; empty: it would.' }),
  })
  .openapi('RolloutPlan');

export type RolloutPlanView = z.output<typeof rolloutPlanSchema>;

export type PlanParts = { estimate: Estimate; files: readonly PlanFile[]; findings: readonly object[] };

export function presentPlannedRollout(plan: RolloutPlan, { estimate, files, findings }: PlanParts): RolloutPlanView {
  const { kind, lane, release, targets, members, waves } = plan;
  return {
    kind,
    lane,
    release: release === null ? null : presentTarget(release),
    databases: targets.length,
    tenants: targets.filter((target) => target.tenantId !== null).length,
    already_there: plan.alreadyThere,
    closed: plan.closed,
    moves_head: plan.movesHead,
    approval: { required: plan.approvalRequired, groups: [...plan.approvalGroups] },
    versions: byVersion(targets),
    clusters: byCluster(plan),
    waves: waves.map((wave, position) => {
      const own = targets.filter((_, at) => members[at]?.wave === position);
      const slugs = own.flatMap(({ slug }) => (slug === null ? [] : [slug]));
      return {
        position,
        name: wave.name,
        group: wave.group_name,
        databases: own.length,
        tenants: slugs.slice(0, slugsShown),
        bake_ms: wave.bake_ms,
        concurrency: wave.concurrency,
        maintenance_window: wave.maintenance_window,
        opens_at: timeOrNull(plan.opensAt[position] ?? null),
      };
    }),
    files: [...files],
    findings: findings.map((each) => presentFinding(each as LintFinding)),
    limits: limitsOf(plan),
    estimate,
    warnings: plan.warnings,
    refusals: plan.refusals.map(({ code, message }) => ({ code, message })),
  };
}

const slugsShown = 5;

function presentTarget({ id, name, version, contract_requires }: NonNullable<RolloutPlan['release']>) {
  return { id, name, version, contract_requires };
}

function byVersion(targets: RolloutPlan['targets']): { version: string | null; databases: number }[] {
  const groups = Map.groupBy(targets, (target) => target.version);
  const rows = [...groups].map(([version, own]) => ({ version, databases: own.length }));
  return rows.sort((a, b) => (a.version ?? '').localeCompare(b.version ?? '', 'en', { numeric: true }));
}

function byCluster({ clusters, targets }: RolloutPlan): RolloutPlanView['clusters'] {
  const touched = Map.groupBy(targets, (target) => target.clusterId);
  return clusters.map(({ id, name, open }) => {
    const mine = touched.get(id) ?? [];
    return { id, name, databases: mine.length, already_there: open - mine.length, versions: byVersion(mine) };
  });
}

type PlanFile = z.output<typeof fileSchema>;

/**
 * What would run, in its order: the files of the release that somebody has not, or those beyond it from the last one on.
 * @param beyond of a rollback, in no order
 */
export function filesOfPlan(
  { kind, targets, standOf }: RolloutPlan,
  { lane, beyond }: { lane: ReleaseLane; beyond: readonly ReleaseFile[] },
  sql: boolean,
): PlanFile[] {
  const direction = kind === 'rollback' ? 'down' : 'up';
  const fileOf = (file: ReleaseFile | undefined, name: string, databases: number): PlanFile => {
    const { transaction = true, statements = [] } = file?.[direction] ?? {};
    const program = file !== undefined && file.program !== null;
    return { name, direction, transaction, databases, program, ...(sql ? { statements: [...statements] } : {}) };
  };
  const stands = targets.map(standOf);
  if (kind === 'rollback') {
    const undo = stands.flatMap((stand) => (stand.at === 'beyond' ? stand.undo : []));
    const longest = [...stands].reduce<readonly FileMark[]>(
      (most, stand) => (stand.at === 'beyond' && stand.undo.length > most.length ? stand.undo : most),
      [],
    );
    return longest.map(({ name, hash }) => {
      const databases = undo.filter((file) => file.hash === hash && file.name === name).length;
      return fileOf(
        beyond.find((file) => file.hash === hash && file.name === name),
        name,
        databases,
      );
    });
  }
  return lane.files.flatMap((file, at) => {
    const databases = stands.filter((stand) => stand.at === 'behind' && stand.files <= at).length;
    return databases === 0 ? [] : [fileOf(file, file.name, databases)];
  });
}
