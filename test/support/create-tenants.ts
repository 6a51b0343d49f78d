// Owns creating many tenants against servers that die meanwhile, as a careful client does: under one Idempotency-Key, to
// whichever server answers, until one has said what became of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiProblem, type Client } from '../../control-plane/client.ts';

export async function createTenantStubbornly(
  clients: () => readonly Client[],
  tenant: { slug: string; region: string },
  timeoutMs = 60_000,
): Promise<string> {
  const { slug, region } = tenant;
  const body = { slug, name: slug, region, plan: 'team' };
  const until = Date.now() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    const now = clients();
    const client = now[attempt % now.length] as Client;
    try {
      return (await client.tenants.create(body, { idempotencyKey: `key-of-${slug}` })).tenant.id;
    } catch (error) {
      const passes = error instanceof ApiProblem ? error.status >= 500 || error.code === 'idempotency_in_flight' : true;
      if (!passes || Date.now() > until) throw error;
      await sleep(50);
    }
  }
}

/** Until it is in this state: asks again whenever it is where it was, since a request may be lost with its server. */
export async function moveTenantStubbornly(
  clients: () => readonly Client[],
  tenantId: string,
  [verb, from, to]: readonly ['suspend' | 'resume' | 'delete', from: string, to: string],
  timeoutMs = 60_000,
): Promise<void> {
  const until = Date.now() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    const now = clients();
    const client = now[attempt % now.length] as Client;
    try {
      const { state } = await client.tenants.get(tenantId);
      if (state === to) return;
      if (state === from) await client.tenants[verb](tenantId);
    } catch (error) {
      if (error instanceof ApiProblem && error.status < 500 && error.code !== 'wrong_state') throw error;
    }
    if (Date.now() > until) throw new Error(`${tenantId} is not ${to} after ${timeoutMs} ms`);
    await sleep(50);
  }
}

/** Small, fast, and the same for the same seed (mulberry32): a failure can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
