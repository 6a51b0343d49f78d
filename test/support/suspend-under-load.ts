// Owns the measurement behind the promise of revocation: tenants that write without pause by the runtime are suspended, and
// every answer is counted.
import type { Client, Tenant } from '../../control-plane/client.ts';
import { waitUntil } from './wait-until.ts';

export type Suspension = {
  /** From the answer to the suspension to the first refusal at the runtime. */
  p50Ms: number;
  p99Ms: number;
  words: string;
  /** Acknowledged though sent after the suspension was complete. */
  writesAfterFence: number;
  /** Acknowledged and not there after the tenant came back. */
  lostWrites: number;
  /** The slowest from asking for the resumption to an answered query. */
  backWithinMs: number;
};

/** So many write at once: more would measure the machine's queue of runnable processes. */
const atOnce = 5;

export async function suspendUnderLoad(deps: {
  client: Client;
  runtime: { url: string };
  tenants: readonly Tenant[];
  /** Wait for the end of each suspension, then resume it and count. */
  waitForEnd: boolean;
}): Promise<Suspension> {
  const results: Awaited<ReturnType<typeof suspendOne>>[] = [];
  const todo = [...deps.tenants];
  const worker = async () => {
    for (let tenant = todo.shift(); tenant !== undefined; tenant = todo.shift())
      results.push(await suspendOne(deps, tenant));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const refused = results.map((result) => result.refusedMs).sort((a, b) => a - b);
  const at = (share: number) => refused[Math.min(refused.length - 1, Math.floor(refused.length * share))] as number;
  const writes = results.reduce((sum, result) => sum + result.acknowledged, 0);
  return {
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    words: `p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms; ${writes} writes acknowledged before`,
    writesAfterFence: results.reduce((sum, result) => sum + result.writesAfterFence, 0),
    lostWrites: results.reduce((sum, result) => sum + result.lost, 0),
    backWithinMs: Math.max(...results.map((result) => result.backMs)),
  };
}

async function suspendOne(
  { client, runtime, waitForEnd }: Parameters<typeof suspendUnderLoad>[0],
  tenant: Tenant,
): Promise<{ refusedMs: number; acknowledged: number; writesAfterFence: number; lost: number; backMs: number }> {
  const mint = async () => (await client.tenants.mintToken(tenant.id, { scopes: ['sql'], subject: 'p19' })).token;
  const send = (token: string, query: string) =>
    fetch(`${runtime.url}/v1/sql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, params: [] }),
    });
  const token = await mint();
  let [acknowledged, writesAfterFence, fenced, ended] = [0, 0, false, false];
  let refusedAtMs: number | undefined;
  const write = async () => {
    while (!ended) {
      const sentAfterFence = fenced;
      const answer = await send(
        token,
        `insert into customers (name, email, country) values ('p19', gen_random_uuid() || '@p19.example', 'US')`,
      );
      await answer.arrayBuffer();
      if (answer.status === 200) {
        acknowledged++;
        if (sentAfterFence) writesAfterFence++;
        refusedAtMs = undefined;
      } else {
        refusedAtMs ??= performance.now();
        if (fenced) return;
      }
    }
  };
  const writer = write();
  writer.catch(() => {}); // told below, unless something else has failed before
  await waitUntil(() => acknowledged >= 5, { what: 'writes before the suspension', timeoutMs: 20_000 });
  await client.tenants.suspend(tenant.id);
  const answeredAtMs = performance.now();
  if (waitForEnd) {
    const done = async () => (await client.tenants.get(tenant.id)).state === 'suspended';
    await waitUntil(done, { what: 'the end of the suspension', timeoutMs: 30_000, intervalMs: 50 });
  } else {
    await waitUntil(() => refusedAtMs !== undefined, { what: 'the refusal' });
  }
  fenced = true;
  await writer;
  ended = true;
  const refusedMs = Math.max(0, (refusedAtMs ?? Number.POSITIVE_INFINITY) - answeredAtMs);
  if (!waitForEnd) return { refusedMs, acknowledged, writesAfterFence, lost: 0, backMs: 0 };
  const resumedAtMs = performance.now();
  await client.tenants.resume(tenant.id, { waitSec: 20 });
  const counted = await send(await mint(), `select count(*)::int as n from customers where name = 'p19'`);
  const { rows } = (await counted.json()) as { rows: [{ n: number }] };
  return {
    refusedMs,
    acknowledged,
    writesAfterFence,
    lost: acknowledged - rows[0].n,
    backMs: performance.now() - resumedAtMs,
  };
}
