// Owns the attack with a good token of one tenant on the data of another: the other one is named wherever a request can name
// something. Held means that the answer is the attacker's own, or none.
import type { Attack, Attempt, Field } from './attack.ts';
import { ask, type Door, doorsOf, knockAt } from './doors.ts';
import { type Answer, bearer, type Knock, knock, told } from './knock.ts';

/** Whose database answers; every login of a tenant may read it. */
const whose = 'select tenant_id from freehold.identity';

export const attackConfusion: Attack = async function* (field) {
  const { runtimeUrl, attacker, victim } = field;
  const doors = (await doorsOf(runtimeUrl)).filter(({ name }) => name === 'rest' || name === 'graphql');
  for (const [what, headers] of disguises(field)) {
    for (const door of doors) yield await undisguisedAlike(field, door, what, headers);
    yield judge(field, 'J10', what, await ask(runtimeUrl, attacker.token, whose, headers));
    yield judge(
      field,
      'J10',
      `${what}, who am I`,
      await knock(runtimeUrl, { path: '/v1/tenant', headers: [bearer(attacker.token), ...headers] }),
    );
  }
  const inBody = { query: whose, params: [], tenant_id: victim.tenantId, tid: victim.tenantId, database: victim.slug };
  const inPath = `/v1/sql?tenant=${victim.tenantId}&tid=${victim.tenantId}`;
  const post: Knock = { method: 'POST', path: inPath, headers: [bearer(attacker.token)], body: inBody };
  yield judge(field, 'J10', 'victim in query and body', await knock(runtimeUrl, post));
  yield await unknownAlike(field);
  yield* twoTokens(field);
  const atAdmin = await knock(field.adminUrl, { path: '/v1/tenants', headers: [bearer(attacker.token)] });
  yield attempt('J08', 'a runtime token at the admin API', '401', told(atAdmin), atAdmin.status === 401);
};

function disguises({ victim }: Field): [what: string, headers: NonNullable<Knock['headers']>][] {
  const id = victim.tenantId;
  return [
    [
      'X-Tenant-ID of the victim',
      [
        ['x-tenant-id', id],
        ['x-tenant', victim.slug],
      ],
    ],
    [
      'host of the victim',
      [
        ['x-forwarded-host', `${victim.slug}.example`],
        ['forwarded', `host=${victim.slug}.example`],
      ],
    ],
    ['connection string of the victim', [['neon-connection-string', `postgres://x:x@127.0.0.1/${id.toLowerCase()}`]]],
    ['cookie of the victim', [['cookie', `tenant=${id}; tid=${id}; token=${victim.token}`]]],
    [
      'path of the victim',
      [
        ['x-original-url', `/v1/tenants/${id}`],
        ['x-rewrite-url', `/v1/tenants/${id}`],
      ],
    ],
  ];
}

/** An API that need not say whose data it shows must at least show the same as to who names nobody. */
async function undisguisedAlike(
  { runtimeUrl, attacker, victim }: Field,
  door: Door,
  what: string,
  headers: NonNullable<Knock['headers']>,
): Promise<Attempt> {
  const token = bearer(attacker.token);
  const plain = await knockAt(runtimeUrl, door, [token]);
  const named = await knockAt(runtimeUrl, door, [token, ...headers]);
  const same = plain.status === named.status && stripped(plain) === stripped(named);
  const held = same && named.status > 0 && named.status < 500 && !named.text.includes(victim.tenantId);
  return attempt('J10', `${what}, at ${door.name}`, 'what it gets without', told(named), held);
}

/** A tenant that exists and one that does not must look the same. */
async function unknownAlike({ runtimeUrl, attacker, victim }: Field): Promise<Attempt> {
  const nobody = `tnt_0${victim.tenantId.slice(5).split('').reverse().join('')}`;
  const headers = [bearer(attacker.token)];
  const [foreign, nowhere] = await Promise.all(
    [victim.tenantId, nobody].map((id) => knock(runtimeUrl, { path: `/v1/tenants/${id}`, headers })),
  );
  const same = foreign?.status === nowhere?.status && stripped(foreign) === stripped(nowhere);
  const got = `${told(foreign as Answer)} and ${told(nowhere as Answer)}`;
  return attempt(
    'J10',
    'a foreign and an unknown tenant in the path',
    'one answer',
    got,
    same && foreign?.status === 404,
  );
}

function stripped(answer: Answer | undefined): string {
  return JSON.stringify({ ...answer?.json, request_id: undefined, instance: undefined });
}

async function* twoTokens({ runtimeUrl, attacker, victim }: Field): AsyncGenerator<Attempt> {
  const path = '/v1/tenant';
  const both = await knock(runtimeUrl, { path, headers: [bearer(attacker.token), bearer(victim.token)] });
  yield attempt(
    'J15',
    'two Authorization headers',
    '400 or 401',
    told(both),
    both.status === 400 || both.status === 401,
  );
  const ways: [string, Knock][] = [
    ['token as Basic', { path, headers: [['authorization', `Basic ${attacker.token}`]] }],
    ['token in the query', { path: `${path}?access_token=${attacker.token}` }],
    ['token in a cookie', { path, headers: [['cookie', `access_token=${attacker.token}`]] }],
    ['token behind a tab', { path, headers: [['authorization', `Bearer\t${attacker.token}`]] }],
  ];
  for (const [what, way] of ways) {
    const answer = await knock(runtimeUrl, way);
    yield attempt('J15', what, '400 or 401', told(answer), answer.status === 400 || answer.status === 401);
  }
}

function judge({ attacker, victim }: Field, id: string, what: string, answer: Answer): Attempt {
  const foreign = answer.text.includes(victim.tenantId);
  const own = answer.text.includes(attacker.tenantId);
  const got = foreign ? 'the victim answered' : own ? 'the attacker’s own' : told(answer);
  return attempt(
    id,
    what,
    'the attacker’s own, or a refusal',
    got,
    !foreign && answer.status > 0 && answer.status < 500,
  );
}

function attempt(id: string, what: string, expected: string, got: string, held: boolean): Attempt {
  return { case: id, group: 'confusion', what, expected, got, verdict: held ? 'held' : 'broken' };
}
