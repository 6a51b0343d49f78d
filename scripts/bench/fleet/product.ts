// Owns Freehold's side of the fleet bench: a release and a rollout over the whole fleet, from the call that begins it until the
// catalog says that it has ended.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
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

async function release({ lane, client }: FleetHouse, number: number, up: string): Promise<void> {
  const name = `${20261201000000000n + BigInt(number)}_bench.sql`;
  writeFileSync(
    path.join(lane, name),
    `-- freehold: allow require-concurrent-index-creation: the same for all sides of the bench\n-- Up Migration\n${up}\n-- Down Migration\n`,
  );
  const names = readdirSync(lane).filter((entry) => /^\d.*\.sql$/.test(entry));
  const files = names.map((entry) => ({ name: entry, text: readFileSync(path.join(lane, entry), 'utf8') }));
  await client.releases.create({ lane: 'tenant', files });
}

/** From the call that begins it until the stream that `fleet migrate` follows says that it has ended. */
async function rollOut({ client, policy }: FleetHouse): Promise<void> {
  const { id } = await client.rollouts.create({ kind: 'migrate', lane: 'tenant', release: 'latest', policy });
  let state = 'running';
  for await (const event of client.rollouts.follow(id)) if ('rollout' in event) state = event.rollout.state;
  if (state !== 'succeeded') throw new Error(`the rollout is ${state}`);
}
