import { expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { watchControlPlane } from '../../control-plane/watch-control-plane.ts';
import { createMetrics } from '../../platform/metrics.ts';

test('R08 the page of a control plane tells its part in the connection budget of each cluster, and forgets clusters that it left', async () => {
  const metrics = createMetrics();
  const cluster = newId('cluster');
  let held = [{ clusterId: cluster, mayOpen: 7, budget: 24, open: 3 }];
  watchControlPlane(metrics, { countDrifted: async () => 0, shares: () => held });
  const { body } = await metrics.page();
  expect(body).toContain(`\nfreehold_share_sessions{cluster="${cluster}"} 7\n`);
  expect(body).toContain(`\nfreehold_share_sessions_open{cluster="${cluster}"} 3\n`);
  expect(body).toContain(`\nfreehold_cluster_budget_sessions{cluster="${cluster}"} 24\n`);
  held = [];
  expect((await metrics.page()).body).not.toContain(cluster);
});
