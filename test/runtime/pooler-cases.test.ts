// Cases that hold whatever stands between the runtime and its clusters, once more with a PgBouncer there: the same tests.
import { describe } from 'vitest';
import { describeWith } from '../support/components.ts';

describeWith('pgbouncer', 'with PgBouncer in between', () => {
  process.env.FREEHOLD_TEST_POOLER = '1'; // read by createRuntimeFixture; a file has a process of its own
  describe('faults', async () => void (await import('./faults.test.ts')));
  describe('isolation', async () => void (await import('../attacks/runtime-isolation.test.ts')));
});
