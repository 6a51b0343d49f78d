// What the fleet commands write: sums that are exact, and a state that stays one screen for ten tenants and for ten thousand.
import { describe, expect, test } from 'vitest';
import { renderFleetStatus } from '../../control-plane/cli/commands/fleet-status.ts';
import { createSum } from '../../control-plane/cli/exact-sum.ts';
import type { FleetStatusView } from '../../control-plane/client.ts';

const plain = (_: unknown, text: string) => text;

describe('sums', () => {
  test.each([
    [['1', '2', '3'], '6'],
    [['9223372036854775807', '9223372036854775807'], '18446744073709551614'],
    [['0.1', '0.2'], '0.3'],
    [['1', '-0.05', '100.005'], '100.955'],
    [['-0.5', '0.25'], '-0.25'],
    [[], '0'],
    [['1e3', '0.5'], '1000.5'],
    [['NaN', '1'], 'NaN'],
  ])('%j is %s', (values, text) => {
    const sum = createSum();
    for (const value of values) sum.add(value);
    expect(sum.text()).toBe(text);
  });
});

describe('fleet status', () => {
  const state = (tenants: number): FleetStatusView => {
    const clusters = [
      { cluster: 'one', tenants: tenants / 2, warm: 1 },
      { cluster: 'two', tenants: tenants / 2, warm: 0 },
    ];
    const standing = { tenants, warm: 1, clusters };
    const member = { lane: 'tenant', cluster: 'one', tenant_id: null, sqlstate: '42P07', code: 'migration_failed' };
    return {
      lanes: [
        {
          lane: 'tenant',
          head: { release_id: 'rel_1', name: '2026.2', version: '7', hash: 'a' },
          tenants,
          warm: 1,
          off_head: 3,
          versions: [
            { version: '7', hash: 'a', release: '2026.2', is_head: true, ...standing },
            { version: '6', hash: 'b', release: null, is_head: false, ...standing, tenants: 3 },
          ],
        },
      ],
      rollouts: [
        {
          id: 'rlt_1',
          kind: 'migrate',
          lane: 'tenant',
          release: '2026.2',
          state: 'running',
          members: { done: tenants, pending: 3 },
          requested: 2,
          wave: { position: 1, name: 'rest', state: 'running' },
          created_at: '2026-11-25T10:00:00Z',
        },
      ],
      quarantined: {
        total: 250,
        members: [
          {
            ...member,
            rollout_id: 'rlt_1',
            state: 'failed',
            database_id: 'dbs_1',
            slug: 'acme',
            message: 'relation exists \x1b[2J',
            skip_reason: null,
          },
        ],
      },
      drift: { tenants, checked: tenants, drifted: 1, adopted: 2, oldest_check_at: '2026-11-25T10:00:00.123+00:00' },
    };
  };

  test.each([10, 10_000])('%i tenants take the same lines', (tenants) => {
    const text = renderFleetStatus(state(tenants), plain, 120);
    expect(text.split('\n')).toHaveLength(14);
    expect(text).toContain(`${tenants} tenants, 1 warm  3 not at the head`);
    expect(text).toContain('part of the way');
    expect(text).toContain('running  migrate tenant to 2026.2  wave rest running');
    expect(text).toContain('2 asked for');
    expect(text).toContain('250 in quarantine');
    expect(text).toContain('… and 249 more');
    expect(text).toContain('1 drifted, 2 adopted');
    expect(text).not.toContain('\x1b');
  });
});
