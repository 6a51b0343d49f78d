// Owns Freehold's side of the fleet bench: a release and a rollout over the whole fleet, from the call that begins it until the
// catalog says that it has ended.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemCaller } from '../../../catalog/caller.ts';
import { sharesOf } from '../../../catalog/rollout-shares.ts';
import { readLane } from '../../../control-plane/migration-files/read-folder.ts';
import { planRollout } from '../../../control-plane/rollouts/look/plan-rollout.ts';
import { createRollout } from '../../../control-plane/rollouts/start/create-rollout.ts';
import { registerRelease } from '../../../control-plane/rollouts/start/register-release.ts';
import type { FleetHouse } from './house.ts';
import { prepared, threeSteps, timed } from './rivals.ts';

/** What the rivals need is a migration too. */
export async function prepareFleet(house: FleetHouse): Promise<void> {
  await release(
    house,
    0,
    `${prepared}\ncreate table bench_versions (by text, version int, at timestamptz default now());`,
  );
  await rollOut(house);
}

export async function freehold(house: FleetHouse, round: number): Promise<number> {
  await release(house, round + 1, threeSteps(`h${round}`));
  return timed(() => rollOut(house));
}

async function release(house: FleetHouse, number: number, up: string): Promise<void> {
  const name = `${20261201000000000n + BigInt(number)}_bench.sql`;
  writeFileSync(path.join(house.lane, name), `-- Up Migration\n${up}\n-- Down Migration\n`);
  const lane = await readLane('tenant', house.lane);
  await registerRelease(house.catalog.db, { lane }, systemCaller('bench'));
}

async function rollOut(house: FleetHouse): Promise<void> {
  const { catalog, queue } = house;
  const request = {
    kind: 'migrate',
    lane: 'tenant',
    release: 'latest',
    statement: null,
    selection: {},
    policy: house.policy,
  } as const;
  const { id } = await createRollout(catalog.db, systemCaller('bench'), 'tenant', (tx) => planRollout(tx, request));
  await queue.fleet.wake(id, sharesOf(house.policy.concurrency));
  for (;;) {
    const { state } = await catalog.db
      .selectFrom('rollouts')
      .select('state')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    if (state === 'succeeded') return;
    if (state !== 'running') throw new Error(`the rollout is ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
