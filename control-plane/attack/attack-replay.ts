// Owns the attack with tokens that were good: replayed while their tenant is suspended and after it came back. Suspends, so it is
// tried on a tenant made for it alone.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack, Attempt, Field } from './attack.ts';
import { bearer, knock, told } from './knock.ts';

/** The promise: 2 s to the runtimes; and what this client needs to ask. */
const revokedWithinMs = 2_000;
const patienceSec = 60;

export const attackReplay: Attack = async function* (field) {
  if (!field.disposable) {
    yield attempt(
      'J11',
      'token of a suspended tenant',
      '403',
      'the tenant was named by you, so it is not suspended',
      'untried',
    );
    return;
  }
  const { client, attacker } = field;
  await client.tenants.suspend(attacker.tenantId, { waitSec: patienceSec });
  const refusedAfter = await refusedWithin(field);
  const late = refusedAfter === undefined || refusedAfter > revokedWithinMs;
  yield attempt(
    'J11',
    'token of a suspended tenant',
    `403 within ${revokedWithinMs} ms`,
    late ? 'still served' : '403',
    late ? 'broken' : 'held',
  );
  await client.tenants.resume(attacker.tenantId, { waitSec: patienceSec });
  const after = await knock(field.runtimeUrl, { path: '/v1/tenant', headers: [bearer(attacker.token)] });
  // 403 for a moment: the runtime has not heard yet that the tenant is back. Never 200.
  const held = after.status === 401 || after.status === 403;
  yield attempt('J12', 'token from before the suspension, after it', '401', told(after), held ? 'held' : 'broken');
};

async function refusedWithin({ runtimeUrl, attacker }: Field): Promise<number | undefined> {
  const startedMs = performance.now();
  for (;;) {
    const { status } = await knock(runtimeUrl, { path: '/v1/tenant', headers: [bearer(attacker.token)] });
    const tookMs = performance.now() - startedMs;
    if (status === 403 || status === 401) return tookMs;
    if (tookMs > 2 * revokedWithinMs) return undefined;
    await sleep(20);
  }
}

function attempt(id: string, what: string, expected: string, got: string, verdict: Attempt['verdict']): Attempt {
  return { case: id, group: 'replay', what, expected, got, verdict };
}
