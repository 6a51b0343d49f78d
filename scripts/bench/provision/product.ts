// Owns the product's side of the provisioning bench: what a client does and sees, over HTTP and nothing else.

import { timed } from './figures.ts';
import type { House } from './house.ts';

export type WarmTimes = { create: number; mint: number; query: number };

/** Create with `Prefer: wait`, mint, first query of the tenant. @throws when the create was not warm or not done */
export async function createWarm(house: House, slug: string): Promise<WarmTimes> {
  const created = await timed(() => create(house, slug, house.warm.region));
  const { id } = created.value.tenant;
  const minted = await timed(() =>
    house.client.tenants.mintToken(id, { scopes: ['sql'], subject: 'bench', ttl_seconds: 300 }),
  );
  const queried = await timed(() => firstQuery(house.runtimeUrl, minted.value.token));
  return { create: created.ms, mint: minted.ms, query: queried.ms };
}

export async function createCold(house: House, slug: string): Promise<number> {
  return (await timed(() => create(house, slug, house.cold.region))).ms;
}

/** The same text as in bare-warm.ts. */
export const firstQueryText = 'select count(*)::int as n from projects';

async function create(house: House, slug: string, region: string) {
  const answer = await house.client.tenants.create({ slug, name: slug, region, plan: 'team' }, { waitSec: 30 });
  if (!answer.done) throw new Error(`the tenant was not ready in time: ${JSON.stringify(answer.operation)}`);
  return answer;
}

async function firstQuery(runtimeUrl: string, token: string): Promise<void> {
  const answer = await fetch(`${runtimeUrl}/v1/sql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: firstQueryText, params: [] }),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`the first query was refused: ${text}`);
}
