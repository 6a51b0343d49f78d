// Owns the fleet of the fairness bench: tenants on both clusters, and a rollout of a new release over all of them whenever one is
// asked for, through the API as anybody would.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '../../../control-plane/client.ts';
import { eachAtOnce } from '../fleet/each-at-once.ts';
import { prepared } from '../fleet/rivals.ts';

export type Rollout = { running(): Promise<boolean>; ended(): Promise<void> };
/** A release with one file more. */
export type Fleet = { begin(up: string): Promise<Rollout> };

const folder = path.resolve(import.meta.dirname, '../../../migrations/tenant');
const pollMs = 50;

/** @param regions take turns */
export async function makeFleet(client: Client, count: number, regions: readonly string[]): Promise<Fleet> {
  const slugs = Array.from({ length: count }, (_, i) => ({ slug: `fleet-${i}`, region: regions[i % regions.length] }));
  await eachAtOnce(slugs, 6, async ({ slug, region = '' }) => {
    const made = await client.tenants.create({ slug, name: slug, region, plan: 'team' }, { waitSec: 60 });
    if (!made.done) throw new Error(`${slug} was not ready in time`);
  });
  const files = readdirSync(folder)
    .filter((name) => /^\d.*\.sql$/.test(name))
    .map((name) => ({ name, text: readFileSync(path.join(folder, name), 'utf8') }));
  const begin = async (up: string): Promise<Rollout> => {
    const name = `${20261201000000000n + BigInt(files.length)}_bench.sql`;
    const waived = '-- freehold: allow require-concurrent-index-creation: a small table of the bench';
    files.push({ name, text: `${waived}\n-- Up Migration\n${up}\n-- Down Migration\n` });
    await client.releases.create({ lane: 'tenant', files });
    const { id } = await client.rollouts.create({ kind: 'migrate', lane: 'tenant', release: 'latest' });
    return rolloutOf(client, id);
  };
  await (await begin(prepared)).ended();
  return { begin };
}

function rolloutOf(client: Client, id: string): Rollout {
  const running = async () => {
    const { state } = await client.rollouts.get(id);
    if (state !== 'running' && state !== 'succeeded') throw new Error(`the rollout ${id} is ${state}`);
    return state === 'running';
  };
  return {
    running,
    async ended() {
      while (await running()) await new Promise((resolve) => setTimeout(resolve, pollMs));
    },
  };
}
