// J01 to J15 at every door behind which a tenant's data is: SQL, REST, GraphQL, and a product built with the library. Whatever holds
// at one of them must hold at all, in the same words.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { newId } from '../../catalog/ids.ts';
import { revokeSigningKey, rotateSigningKeys } from '../../catalog/signing-keys.ts';
import { startDeleteTenant } from '../../control-plane/operations/start/start-delete-tenant.ts';
import { startResumeTenant } from '../../control-plane/operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { generateSigningKey, importSigningKey, signJwt } from '../../platform/jwt.ts';
import {
  type Answer,
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
  testIssuer,
} from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import {
  addDoorFunctions,
  type DoorName,
  doorNames,
  doorsOf,
  everyScope,
  knockAt,
  type Product,
  startProduct,
  type TenantDoors,
} from '../support/tenant-doors.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let product: Product;
let doors: TenantDoors;
let a: TestTenant;
let b: TestTenant;
const caller = systemCaller('test');

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  [a, b] = [await fixture.addTenant(), await fixture.addTenant()];
  await addDoorFunctions(a);
  [runtime, product] = [await fixture.startRuntime(), await startProduct(fixture)];
  doors = doorsOf(runtime, product);
}, 60_000);
afterAll(async () => {
  await product?.close();
  await fixture?.close();
});

const tokenOf = (tenant: Pick<TestTenant, 'id'>, claims: Record<string, unknown> = {}) =>
  fixture.token(tenant.id, { scope: everyScope, ...claims });
/** Without what is different in every answer. */
const stripped = ({ status, body, headers }: Answer) => ({
  status,
  body: { ...body, request_id: '' },
  headers: Object.fromEntries([...headers].filter(([name]) => !/^(date|x-request-id)$/.test(name))),
});

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const nowSec = () => Math.floor(Date.now() / 1000);

/** Every kind of wrong token of the list, by its case. */
async function wrongTokens(): Promise<[what: string, token: string | undefined][]> {
  const good = await tokenOf(a);
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const signingKey = await fixture.signingKey();
  const { kid, publicJwk } = signingKey;
  const strangerKey = await importSigningKey((await generateSigningKey()).privateJwk);
  const flip = (text: string) => (text[0] === 'A' ? 'B' : 'A') + text.slice(1);
  const hs = (secret: string) => {
    const signed = `${part({ alg: 'HS256', kid, typ: 'at+jwt' })}.${payload}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const head = { alg: 'EdDSA', kid, typ: 'at+jwt' };
  const withHeader = (more: object) => `${part({ ...head, ...more })}.${payload}.${signature}`;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
  const doubled = Buffer.from(payload, 'base64url').toString().replace('"tid":', `"tid":"${b.id}","tid":`);
  const foreign = part({ ...claims, tid: b.id });
  return [
    ['no token', undefined],
    ['J01 flipped header', `${flip(header)}.${payload}.${signature}`],
    ['J01 flipped payload', `${header}.${flip(payload)}.${signature}`],
    ['J01 flipped signature', `${header}.${payload}.${flip(signature)}`],
    ['J01 truncated', good.slice(0, -4)],
    ['J01 two segments', `${header}.${payload}`],
    ['J01 four segments', `${good}.${signature}`],
    ['J01 padded', `${good}=`],
    ['J01 12 KiB', 'a'.repeat(12_000)],
    ['J02 none', `${part({ ...head, alg: 'none' })}.${payload}.`],
    ['J02 nOnE', withHeader({ alg: 'nOnE' })],
    ['J03 HMAC with the public key', hs(JSON.stringify(publicJwk))],
    ['J03 HMAC with its point', hs(String(publicJwk.x))],
    ['J03 another algorithm', withHeader({ alg: 'RS256' })],
    ['J04 kid of a path', withHeader({ kid: '../../etc/x' })],
    ['J04 kid of SQL', withHeader({ kid: "' or 1=1--" })],
    ['J04 kid missing', withHeader({ kid: undefined })],
    ['J04 jwk of the attacker', withHeader({ jwk: rsa })],
    ['J04 jku of the attacker', withHeader({ jku: 'http://127.0.0.1:1/keys' })],
    ['J04 another key under our kid', await signJwt(claims, { ...strangerKey, kid }, { typ: 'at+jwt' })],
    ['J04 an unknown key', await signJwt(claims, strangerKey, { typ: 'at+jwt' })],
    ['J05 crit', withHeader({ crit: ['exp'] })],
    ['J05 b64 false', withHeader({ b64: false, crit: ['b64'] })],
    ['J06 aud missing', await tokenOf(a, { aud: undefined })],
    ['J06 aud empty', await tokenOf(a, { aud: [] })],
    ['J06 aud of another', await tokenOf(a, { aud: 'freehold-admin' })],
    ['J06 aud list', await tokenOf(a, { aud: ['other', 'freehold-runtime'] })],
    ['J06 iss missing', await tokenOf(a, { iss: undefined })],
    ['J06 iss with a slash', await tokenOf(a, { iss: `${testIssuer}/` })],
    ['J06 iss in capitals', await tokenOf(a, { iss: testIssuer.toUpperCase() })],
    ['J07 exp missing', await tokenOf(a, { exp: undefined })],
    ['J07 expired', await tokenOf(a, { iat: nowSec() - 900, exp: nowSec() - 60 })],
    ['J07 ten years', await tokenOf(a, { exp: nowSec() + 315_360_000 })],
    ['J07 sixteen minutes', await tokenOf(a, { exp: nowSec() + 960 })],
    ['J07 exp as text', await tokenOf(a, { exp: String(nowSec() + 60) })],
    ['J07 exp as a fraction', await tokenOf(a, { exp: nowSec() + 60.5 })],
    ['J07 iat in the future', await tokenOf(a, { iat: nowSec() + 300, exp: nowSec() + 600 })],
    ['J07 nbf in the future', await tokenOf(a, { nbf: nowSec() + 300 })],
    ['J08 typ JWT', await signJwt(claims, signingKey, { typ: 'JWT' })],
    ['J08 an API key', `fhk_${'0'.repeat(26)}_${'0'.repeat(43)}`],
    ['J08 an admin token', await tokenOf(a, { aud: 'freehold-admin', typ: 'admin' })],
    ['J09 tid twice', `${header}.${part(doubled)}.${signature}`],
    ['J09 tid of the victim', `${header}.${foreign}.${signature}`],
    ['J09 tid list', await tokenOf(a, { tid: [a.id] })],
    ['J09 tid object', await tokenOf(a, { tid: { a: a.id } })],
    ['J09 tid null', await tokenOf(a, { tid: null })],
    ['J09 tid number', await tokenOf(a, { tid: 7 })],
    ['J09 tid __proto__', await tokenOf(a, { tid: '__proto__' })],
    ['J09 tid with NUL', await tokenOf(a, { tid: `${a.id}\0` })],
    ['J09 tid with zero width', await tokenOf(a, { tid: `${a.id}\u200b` })],
    ['J09 tid of a database', await tokenOf(a, { tid: a.databaseId })],
    ['J12 ep missing', await tokenOf(a, { ep: undefined })],
    ['J12 ep zero', await tokenOf(a, { ep: 0 })],
    ['J12 ep text', await tokenOf(a, { ep: '1' })],
    ['J12 ep to come', await tokenOf(a, { ep: 2 })],
    ['scope list', await tokenOf(a, { scope: ['sql'] })],
    ['sub missing', await tokenOf(a, { sub: undefined })],
  ];
}

/** Every request of the door: 401, nothing of the inside in it, and not one session more than before. */
async function expectRefused(name: DoorName, token: string | undefined, what: string): Promise<void> {
  const door = doors[name];
  const before = runtime.pools.stats();
  for (const knock of [door.whose, door.slow, ...door.others]) {
    const { status, body } = await knockAt(door, token, knock);
    expect(status, `${what} ${knock.path}`).toBe(401);
    expect(['token_invalid', 'unauthenticated'], what).toContain(body.code);
    expect(JSON.stringify(body), what).not.toMatch(/epoch|kid|signature|postgres|127\.0\.0\.1|tnt_|dbs_/i);
  }
  expect(runtime.pools.stats(), what).toEqual(before);
}

describe.each(doorNames)('at the door %s', (name) => {
  test('J01 to J09, J12: every wrong token is 401 and opens nothing', async () => {
    const good = await tokenOf(a);
    expect((await knockAt(doors[name], good)).status).toBe(200);
    for (const [what, token] of await wrongTokens()) await expectRefused(name, token, what);
    expect((await knockAt(doors[name], good)).status).toBe(200);
  });

  test('J10 the tenant comes from the token alone; whom else a request names makes no difference, known or not', async () => {
    const door = doors[name];
    const token = await tokenOf(a);
    const separator = door.whose.path.includes('?') ? '&' : '?';
    const asked = (id: string, slug: string, path = door.whose.path) =>
      Promise.all(
        [
          { 'x-tenant-id': id, 'x-tenant': slug },
          { 'x-forwarded-host': `${id}.example`, forwarded: `host=${id}.example` },
          { 'neon-connection-string': `postgres://t:x@127.0.0.1/${id.slice(4).toLowerCase()}` },
          { cookie: `tenant=${id}; tid=${id}` },
          { 'x-original-url': `/v1/tenants/${id}`, 'x-rewrite-url': `/v1/tenants/${id}` },
          { 'accept-profile': id, 'content-profile': id },
        ].map((headers) => knockAt(door, token, { ...door.whose, path }, { headers })),
      );
    const foreign = await asked(b.id, b.address.database);
    const nobody = newId('tenant');
    const nowhere = await asked(nobody, 't_nobody');
    const naming = (answer: Answer, id: string) => JSON.stringify(stripped(answer)).replaceAll(id, '…');
    expect(foreign.map((each) => naming(each, b.id))).toEqual(nowhere.map((each) => naming(each, nobody)));
    for (const { status, body } of foreign) {
      const text = JSON.stringify(body);
      if (status === 200) expect(text).toContain(a.canary);
      else expect(status).toBe(406); // REST has no schema of that name
      expect(text).not.toContain(b.canary);
    }
    if (name !== 'rest') {
      const inPath = await asked(b.id, '', `${door.whose.path}${separator}tenant=${b.id}&tid=${b.id}`);
      for (const { body } of inPath) expect(JSON.stringify(body)).toContain(a.canary);
    }
    const paths = (id: string) =>
      [`${door.whose.path.split('?')[0]}/${id}`, `/v1/tenants/${id}`, `/app/tenants/${id}`].map((path) =>
        knockAt(door, token, { ...door.whose, path }),
      );
    const [theirs, nobodys] = [await Promise.all(paths(b.id)), await Promise.all(paths(nobody))];
    expect(theirs.map((each) => naming(each, b.id))).toEqual(nobodys.map((each) => naming(each, nobody)));
    for (const { status } of theirs) expect([404, 405]).toContain(status);
  });

  test('J11 J12 suspended, deleted and never created are one answer; tokens from before stay worthless; what runs is cut', async () => {
    const { db } = fixture.house.catalog;
    const door = doors[name];
    const c = await fixture.addTenant();
    await addDoorFunctions(c);
    const token = await tokenOf(c);
    await waitUntil(async () => (await knockAt(door, token)).status === 200, { what: 'the tenant to be served' });
    const never = stripped(await knockAt(door, await tokenOf({ id: newId('tenant') })));
    expect(never).toMatchObject({ status: 403, body: { code: 'tenant_not_served' } });
    const running = knockAt(door, token, door.slow);
    await waitUntil(async () => (await activeIn(c)) === 1, { what: 'the statement to run' });
    await startSuspendTenant(db, c.id, caller);
    expect(stripped(await running)).toEqual(never);
    await waitUntil(async () => (await activeIn(c)) === 0, { what: 'the statement to end' });
    expect(stripped(await knockAt(door, token))).toEqual(never);
    await fixture.house.runAll();
    expect(stripped(await knockAt(door, token))).toEqual(never);

    await startResumeTenant(db, c.id, caller);
    await fixture.house.runAll();
    await waitUntil(async () => (await knockAt(door, token)).status === 401, { what: 'the refusal by epoch' });
    await expectRefused(name, token, 'a token from before');
    const fresh = await tokenOf(c, { ep: (await runtime.routes.reload(c.id))?.epoch });
    expect(JSON.stringify((await knockAt(door, fresh)).body)).toContain(c.canary);

    await startDeleteTenant(db, c.id, caller);
    await fixture.house.runAll();
    await waitUntil(async () => (await knockAt(door, fresh)).status === 403, { what: 'the deletion to be heard' });
    expect(stripped(await knockAt(door, fresh))).toEqual(never);
  });

  test('J14 hundreds of unknown keys are refused from memory: the catalog is not asked, and good tokens are served meanwhile', async () => {
    const reads = async () => {
      const [row] = await superuserSql<{ n: number }>(
        fixture.house.catalog.address,
        `select (seq_scan + coalesce(idx_scan, 0))::int as n from pg_stat_user_tables where relname = 'signing_keys'`,
      );
      return row?.n ?? Number.NaN;
    };
    const door = doors[name];
    const good = await tokenOf(a);
    const [, payload, signature] = good.split('.');
    const unknown = () => `${part({ alg: 'EdDSA', typ: 'at+jwt', kid: newId('tenant') })}.${payload}.${signature}`;
    const before = await reads();
    for (let round = 0; round < 4; round++) {
      const flood = await Promise.all(Array.from({ length: 100 }, () => knockAt(door, unknown())));
      expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([401]));
      expect((await knockAt(door, good)).status).toBe(200);
    }
    // What the ten-second look at the keys and the tests around it may cost; one for each key would be four hundred.
    expect((await reads()) - before).toBeLessThan(100);
  });

  test('J15 a token in any other place or form is 400 or 401', async () => {
    const door = doors[name];
    const good = await tokenOf(a);
    const { path } = door.whose;
    const inQuery = `${path}${path.includes('?') ? '&' : '?'}access_token=${good}`;
    const ways: [string, (readonly [string, string])[], string?][] = [
      [
        'two headers',
        [
          ['Authorization', `Bearer ${good}`],
          ['Authorization', 'Bearer e30.e30.e30'],
        ],
      ],
      [
        'twice the same',
        [
          ['Authorization', `Bearer ${good}`],
          ['Authorization', `Bearer ${good}`],
        ],
      ],
      ['Basic', [['Authorization', `Basic ${good}`]]],
      ['Basic and Bearer in one', [['Authorization', `Basic eDp4, Bearer ${good}`]]],
      ['a tab', [['Authorization', `Bearer\t${good}`]]],
      ['in a cookie', [['Cookie', `access_token=${good}; authorization=Bearer ${good}`]]],
      ['in the query', [], inQuery],
      ['in another header', [['X-Authorization', `Bearer ${good}`]]],
    ];
    for (const [what, headers, at] of ways) expect([400, 401], what).toContain(await rawStatus(name, headers, at));
    expect(await rawStatus(name, [['Authorization', `Bearer ${good}`]])).toBe(200);
  });
});

const activeIn = async ({ address }: TestTenant) =>
  (
    await superuserSql(
      { ...address, database: 'postgres' },
      `select 1 from pg_stat_activity where datname = $1 and state = 'active'`,
      [address.database],
    )
  ).length;

/** Headers as they stand, also twice. */
function rawStatus(
  name: DoorName,
  headers: readonly (readonly [string, string])[],
  path = doors[name].whose.path,
): Promise<number> {
  const { url, whose } = doors[name];
  const { hostname, port } = new URL(url);
  const payload = whose.body === undefined ? undefined : JSON.stringify(whose.body);
  const flat = ['Host', `${hostname}:${port}`, ...headers.flat()];
  if (payload !== undefined)
    flat.push('Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(payload)));
  return new Promise((resolve, reject) => {
    const method = payload === undefined ? 'GET' : 'POST';
    const asked = httpRequest({ hostname, port, method, path, headers: flat as never }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on('error', reject).end(payload);
  });
}

describe.each(doorNames)('J13 at the door %s', (name) => {
  test('J13 a rotation refuses no good token; a revoked key refuses all of its tokens', async () => {
    const { db } = fixture.house.catalog;
    const { sealer } = fixture.house;
    const door = doors[name];
    const before = await tokenOf(a);
    const { kid } = await fixture.signingKey();
    expect((await knockAt(door, before)).status).toBe(200);
    await db.transaction().execute((tx) => rotateSigningKeys(tx, sealer, testIssuer, caller));
    const after = await tokenOf(a);
    // The next key was published ahead, so the first token that bears it is good at once.
    expect([(await knockAt(door, after)).status, (await knockAt(door, before)).status]).toEqual([200, 200]);
    await db.transaction().execute((tx) => revokeSigningKey(tx, sealer, kid, caller));
    await waitUntil(async () => (await knockAt(door, before)).status === 401, { what: 'the key to be forgotten' });
    await expectRefused(name, before, 'a token of a revoked key');
    expect((await knockAt(door, after)).status).toBe(200);
  });
});

test('A05 a bomb of depth at any door is a 4xx, and the next request is served', async () => {
  const token = await tokenOf(a);
  const deep = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels);
  const json = deep('[', ']', 100_000);
  const bombs: [DoorName, string, { path: string; body?: unknown }][] = [
    ['sql', 'JSON', { path: '/v1/sql', body: json }],
    ['sql', 'JSON in a parameter', { path: '/v1/sql', body: `{"query":"select $1::jsonb","params":[${json}]}` }],
    [
      'sql',
      'parentheses',
      { path: '/v1/sql', body: { query: `select ${deep('(', ')', 50_000).replace('()', '(1)')}` } },
    ],
    ['sql', 'json text', { path: '/v1/sql', body: { query: 'select $1::json', params: [json] } }],
    ['rest', 'JSON', { path: '/v1/rest/customers', body: json }],
    ['rest', 'a value', { path: '/v1/rest/customers', body: `{"name":${json}}` }],
    ['rest', 'conditions', { path: `/v1/rest/customers?${deep('and=(or=(', '))', 300).replace('()', '(id.eq.1)')}` }],
    ['rest', 'embedding', { path: `/v1/rest/customers?select=${'projects('.repeat(700)}id${')'.repeat(700)}` }],
    ['graphql', 'JSON', { path: '/v1/graphql', body: json }],
    ['graphql', 'document', { path: '/v1/graphql', body: { query: deep('{ a ', '}', 50_000) } }],
    [
      'graphql',
      'lists',
      { path: '/v1/graphql', body: { query: `{ allCustomers(condition: {name: ${json}}) { nodes { id } } }` } },
    ],
    ['graphql', 'variables', { path: '/v1/graphql', body: `{"query":"{ __typename }","variables":{"a":${json}}}` }],
    ['product', 'JSON', { path: '/app/anything', body: json }],
  ];
  for (const [name, what, knock] of bombs) {
    const { status, body } = await call(doors[name].url, token, knock);
    expect(status, `${name} ${what} ${JSON.stringify(body).slice(0, 200)}`).toBeGreaterThanOrEqual(400);
    expect(status, `${name} ${what} ${JSON.stringify(body).slice(0, 200)}`).toBeLessThan(500);
    expect((await knockAt(doors[name], token)).status, `after ${name} ${what}`).toBe(200);
  }
});
