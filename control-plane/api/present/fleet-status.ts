// Owns how the state of the fleet looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import type { FleetStatus } from '../../../catalog/fleet-status.ts';
import { memberStates, rolloutStates } from '../../../catalog/rollout-policy.ts';

const counts = { tenants: z.int(), warm: z.int() };

export const fleetStatusSchema = z
  .object({
    lanes: z.array(
      z.object({
        lane: z.string(),
        head: z
          .object({ release_id: z.string(), name: z.string(), version: z.string(), hash: z.string() })
          .nullable()
          .openapi({ description: 'What new databases get.' }),
        ...counts,
        off_head: z.int().openapi({ description: 'Databases that do not have exactly the files of the head.' }),
        versions: z.array(
          z.object({
            version: z.string().nullable(),
            hash: z.string().nullable(),
            release: z.string().nullable().openapi({ description: 'null: no release has exactly these files.' }),
            is_head: z.boolean(),
            ...counts,
            clusters: z.array(z.object({ cluster: z.string(), ...counts })),
          }),
        ),
      }),
    ),
    rollouts: z.array(
      z.object({
        id: z.string(),
        kind: z.string(),
        lane: z.string(),
        release: z.string().nullable(),
        state: z.enum(rolloutStates),
        members: z.partialRecord(z.enum(memberStates), z.int()),
        requested: z.int().openapi({ description: 'Waiting members that a runtime was asked for.' }),
        wave: z.object({ position: z.int(), name: z.string(), state: z.string() }).nullable(),
        created_at: z.string(),
      }),
    ),
    quarantined: z
      .object({
        total: z.int(),
        members: z.array(
          z.object({
            rollout_id: z.string(),
            lane: z.string(),
            state: z.enum(['failed', 'skipped']),
            database_id: z.string(),
            tenant_id: z.string().nullable(),
            slug: z.string().nullable(),
            cluster: z.string(),
            code: z.string().nullable(),
            sqlstate: z.string().nullable(),
            message: z.string().nullable(),
            skip_reason: z.string().nullable(),
          }),
        ),
      })
      .openapi({
        description: 'Failed and skipped members of the latest rollout of each lane; the first 200 by name.',
      }),
    drift: z.object({
      tenants: z.int(),
      checked: z.int(),
      drifted: z.int(),
      adopted: z.int(),
      oldest_check_at: z.string().nullable(),
    }),
  })
  .openapi('FleetStatus');

export type FleetStatusView = z.output<typeof fleetStatusSchema>;

export function presentFleetStatus(status: FleetStatus): FleetStatusView {
  const { total, members } = status.quarantined;
  return {
    ...status,
    quarantined: {
      total,
      members: members.map(({ error, ...member }) => ({
        ...member,
        code: error?.code ?? null,
        sqlstate: error?.sqlstate ?? null,
        message: error?.message ?? null,
      })),
    },
  };
}
