// Owns the flood: a bounded number of worthless requests, so many at a time, while an honest client goes on asking. Held means
// that no answer is a fault of the server and that the honest client got its own data every time.
import { randomBytes } from 'node:crypto';
import type { Attack, Attempt, Field } from './attack.ts';
import { bearer, type Knock, knock } from './knock.ts';

const atATime = 32;

export const attackFlood: Attack = async function* (field) {
  const { runtimeUrl, floodRequests } = field;
  const statuses = new Map<number, number>();
  let sent = 0;
  let flooding = true;
  const pour = async () => {
    while (sent < floodRequests) {
      const { status } = await knock(runtimeUrl, worthless(field, sent++));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const honest = { asked: 0, wrong: '' };
  const asking = (async () => {
    // Once at least, also when the flood is over before.
    do {
      const answer = await knock(runtimeUrl, { path: '/v1/tenant', headers: [bearer(field.victim.token)] });
      honest.asked += 1;
      if (answer.status !== 200 || !answer.text.includes(field.victim.tenantId)) honest.wrong ||= String(answer.status);
    } while (flooding);
  })();
  await Promise.all(Array.from({ length: atATime }, pour));
  flooding = false;
  await asking;
  const seen = [...statuses]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${count} × ${status}`)
    .join(', ');
  const faults = [...statuses.keys()].some((status) => status === 0 || status >= 500 || status < 400);
  yield attempt('J14', `${floodRequests} worthless requests, ${atATime} at a time`, 'only 4xx', seen, !faults);
  const got = honest.wrong === '' ? `${honest.asked} of ${honest.asked} good` : `an answer was ${honest.wrong}`;
  yield attempt('R07', 'an honest client meanwhile', 'its own data, every time', got, honest.wrong === '');
};

function worthless({ attacker }: Field, turn: number): Knock {
  const [, payload] = attacker.token.split('.');
  const kid = randomBytes(8).toString('hex');
  const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'at+jwt', kid })).toString('base64url');
  const unknownKey = `${header}.${payload}.${randomBytes(64).toString('base64url')}`;
  const ways: Knock[] = [
    { path: '/v1/tenant', headers: [bearer(unknownKey)] },
    { method: 'POST', path: '/v1/sql', headers: [bearer(unknownKey)], body: { query: 'select pg_sleep(60)' } },
    { path: `/v1/${randomBytes(6).toString('hex')}`, headers: [bearer(unknownKey)] },
    { path: '/v1/tenant', headers: [bearer('x'.repeat(8_000))] },
    { method: 'POST', path: '/v1/sql', headers: [bearer(attacker.token)], body: { nonsense: '['.repeat(1_000) } },
  ];
  return ways[turn % ways.length] as Knock;
}

function attempt(id: string, what: string, expected: string, got: string, held: boolean): Attempt {
  return { case: id, group: 'flood', what, expected, got, verdict: held ? 'held' : 'broken' };
}
