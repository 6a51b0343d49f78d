// A route is read once, and what it shares with others of its plan is the same for all of them and nobody else's.
import { expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { planLimitsSchema } from '../../catalog/plan-limits.ts';
import type { RouteRow } from '../../catalog/routes.ts';
import { createRouteReader } from '../../tenant-runtime/route.ts';

/** As it comes from the catalog: nothing in it is shared with another. */
function row(change: Partial<RouteRow> = {}): RouteRow {
  const whole = {
    tenant_id: newId('tenant'),
    state: 'active',
    epoch: 1,
    generation: 2,
    plan_id: 'team',
    limits: planLimitsSchema.parse({}),
    database_id: newId('database'),
    database_name: 't_x',
    lanes: { tenant: { version: '20261122100200000', hash: 'a' } },
    cluster_id: newId('cluster'),
    host: 'db',
    port: 5432,
    tls: null,
    ca: null,
    connection_budget: 10,
    active_login: 'app_a',
    app_sealed: 'sealed',
    ro_sealed: 'sealed',
    pooler_url: null,
    fingerprint: 'f',
    ...change,
  };
  return JSON.parse(JSON.stringify(whole)) as RouteRow;
}

test('routes of one plan and version share limits and lanes, and keep their row as it came', () => {
  const read = createRouteReader();
  const rows = [row(), row()] as const;
  const [a, b] = [read(rows[0]), read(rows[1])];
  expect(a.limits).toBe(b.limits);
  expect(a.lanes).toBe(b.lanes);
  expect(a.row.limits).toBe(b.row.limits);
  for (const [at, route] of [a, b].entries()) expect(route.row).toEqual(rows[at]);
  expect(a.tenantId).not.toBe(b.tenantId);
});

test('what differs in one limit or version is not shared, whatever the plan is called', () => {
  const read = createRouteReader();
  const before = read(row());
  const after = read(row({ limits: planLimitsSchema.parse({ runtime_sessions_max: 9 }) }));
  expect([before.limits.runtime_sessions_max, after.limits.runtime_sessions_max]).toEqual([4, 9]);
  const migrated = read(row({ lanes: { tenant: { version: '20261122100300000', hash: 'b' } } as RouteRow['lanes'] }));
  expect(migrated.lanes.tenant?.version).toBe('20261122100300000');
  expect(before.lanes.tenant?.version).toBe('20261122100200000');
  expect(read(row({ lanes: null })).lanes).toEqual({});
  expect(read(row({ lanes: null })).row.lanes).toBeNull();
});

test('limits that a newer control plane knows are dropped, and the row of the snapshot keeps them', () => {
  const read = createRouteReader();
  const limits = { ...planLimitsSchema.parse({}), of_tomorrow: 1 };
  const route = read(row({ limits }));
  expect(route.limits).not.toHaveProperty('of_tomorrow');
  expect(route.row.limits).toHaveProperty('of_tomorrow', 1);
});
