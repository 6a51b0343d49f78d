// Owns tenants with a canary row each in an installation of real processes, and one question at any of the runtime's doors: whose
// data came back? Every id of a tenant in an answer that is not the asker's own is foreign, wherever it stands.
import { Agent, request } from 'node:http';
import type { Client } from '../../control-plane/client.ts';
import type { ProcessHouse } from './process-house.ts';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';

export type CanaryTenant = {
  readonly id: string;
  readonly slug: string;
  readonly databaseId: string;
  readonly canary: string;
  /** The superuser's way into its database. */
  readonly address: ServerAddress;
  token: string;
  mintedAtMs: number;
};

/**
 * `own` answered with its own row; `refused` with a status that a client may expect under faults; `none`: the connection ended
 * without an answer; everything else is foreign.
 */
export type CanaryAnswer = { kind: 'own' | 'refused' | 'none' | 'foreign'; status: number; text: string };

/** @param regions one for each tenant, in turn */
export async function createCanaryTenants(
  house: ProcessHouse,
  client: Client,
  count: number,
  regions: readonly string[],
): Promise<CanaryTenant[]> {
  const tenants: CanaryTenant[] = [];
  const make = async (n: number) =>
    void tenants.push(await createCanaryTenant(house, client, `canary-${n}`, regions[n % regions.length] as string));
  // Four at a time: more only wait for each other.
  let next = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let n = next++; n < count; n = next++) await make(n);
    }),
  );
  return tenants;
}

export async function createCanaryTenant(
  house: ProcessHouse,
  client: Client,
  slug: string,
  region: string,
): Promise<CanaryTenant> {
  const { tenant, operation, done } = await client.tenants.create(
    { slug, name: slug, region, plan: 'team' },
    { waitSec: 60 },
  );
  if (!done) await client.operations.wait(operation.id);
  const { database } = await client.tenants.get(tenant.id);
  const databaseId = database?.id ?? '';
  const name = `t_${databaseId.slice(4).toLowerCase()}`;
  const server = house.tenantServers.find((each) => each.region === region)?.server;
  if (server === undefined) throw new Error(`no server in ${region}`);
  const address = { ...server.address, database: name };
  const canary = `canary of ${tenant.id}`;
  await superuserSql(
    address,
    `set role ${name}_own; create table public.canary (tenant_uid text not null, n bigint not null default 0);
     insert into public.canary values ('${canary}', 0)`,
  );
  return { id: tenant.id, slug, databaseId, canary, address, ...(await minted(client, tenant.id)) };
}

export async function minted(client: Client, id: string): Promise<Pick<CanaryTenant, 'token' | 'mintedAtMs'>> {
  const mintedAtMs = performance.now();
  const { token } = await client.tenants.mintToken(id, {
    scopes: ['sql', 'rest', 'graphql', 'tenant:read'],
    subject: 'canary',
    ttl_seconds: 900,
  });
  return { token, mintedAtMs };
}

type Question = { method: 'GET' | 'POST' | 'PATCH'; path: string; body?: unknown; prefer?: string };

const sql = (query: string): Question => ({ method: 'POST', path: '/v1/sql', body: { query, params: [] } });
/** Every door of the runtime; those that read and write a row do so by turns. */
const questions = {
  'sql read': sql('select tenant_uid from canary'),
  'sql write': sql('update canary set n = n + 1 returning tenant_uid'),
  'rest read': { method: 'GET', path: '/v1/rest/canary?select=tenant_uid' },
  'rest write': {
    method: 'PATCH',
    path: '/v1/rest/canary?n=gte.0&select=tenant_uid',
    body: { n: 1 },
    prefer: 'return=representation',
  },
  graphql: { method: 'POST', path: '/v1/graphql', body: { query: '{ allCanaries { nodes { tenantUid } } }' } },
  tenant: { method: 'GET', path: '/v1/tenant' },
} satisfies Record<string, Question>;

export type CanaryDoor = keyof typeof questions;
export const canaryDoors = Object.keys(questions) as CanaryDoor[];

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Never throws. */
export function askCanary(
  runtimeUrl: string,
  { token, id }: Pick<CanaryTenant, 'token' | 'id'>,
  door: CanaryDoor = 'sql read',
): Promise<CanaryAnswer> {
  const { method, path, body, prefer }: Question = questions[door];
  return new Promise((resolve) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(prefer !== undefined && { prefer }),
    };
    const ended = (error: Error) => resolve({ kind: 'none', status: 0, text: error.message });
    const asked = request(`${runtimeUrl}${path}`, { method, agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', ended);
      answer.on('end', () => resolve(judged(answer.statusCode ?? 0, text, id)));
    });
    asked.on('error', ended);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function judged(status: number, text: string, ownId: string): CanaryAnswer {
  const ids = text.match(/tnt_[0-9A-Z]{26}/gi) ?? [];
  if (ids.some((id) => id !== ownId)) return { kind: 'foreign', status, text };
  if (status !== 200) return { kind: 'refused', status, text };
  // An answer without the row of the asker was somebody else's, or nobody's.
  return { kind: ids.length > 0 ? 'own' : 'foreign', status, text };
}
