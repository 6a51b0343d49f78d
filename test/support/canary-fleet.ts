// Owns tenants with a canary row each in an installation of real processes, and one question: whose data came back?
import { Agent, request } from 'node:http';
import type { Client } from '../../control-plane/client.ts';
import type { ProcessHouse } from './process-house.ts';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';

export type CanaryTenant = {
  readonly id: string;
  readonly slug: string;
  readonly canary: string;
  /** The superuser's way into its database. */
  readonly address: ServerAddress;
  token: string;
  mintedAtMs: number;
};

/** `own` answered with its own row; `refused` with a status that a client may expect under faults; everything else is foreign. */
export type CanaryAnswer = { kind: 'own' | 'refused' | 'foreign'; status: number; text: string };

/** @param regions one for each tenant, in turn */
export async function createCanaryTenants(
  house: ProcessHouse,
  client: Client,
  count: number,
  regions: readonly string[],
): Promise<CanaryTenant[]> {
  const tenants: CanaryTenant[] = [];
  const make = async (n: number): Promise<CanaryTenant> => {
    const region = regions[n % regions.length] as string;
    const slug = `canary-${n}`;
    const { tenant, operation, done } = await client.tenants.create(
      { slug, name: slug, region, plan: 'team' },
      { waitSec: 60 },
    );
    if (!done) await client.operations.wait(operation.id);
    const { database } = await client.tenants.get(tenant.id);
    const name = `t_${(database?.id ?? '').slice(4).toLowerCase()}`;
    const server = house.tenantServers.find((each) => each.region === region)?.server;
    if (server === undefined) throw new Error(`no server in ${region}`);
    const address = { ...server.address, database: name };
    const canary = `canary of ${tenant.id}`;
    await superuserSql(
      address,
      `set role ${name}_own; create table public.canary (tenant_uid text not null, n bigint not null default 0);
       insert into public.canary values ('${canary}', 0)`,
    );
    return { id: tenant.id, slug, canary, address, ...(await minted(client, tenant.id)) };
  };
  // Four at a time: more only wait for each other.
  let next = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let n = next++; n < count; n = next++) tenants.push(await make(n));
    }),
  );
  return tenants;
}

export async function minted(client: Client, id: string): Promise<Pick<CanaryTenant, 'token' | 'mintedAtMs'>> {
  const mintedAtMs = performance.now();
  const { token } = await client.tenants.mintToken(id, {
    scopes: ['sql', 'tenant:read'],
    subject: 'canary',
    ttl_seconds: 900,
  });
  return { token, mintedAtMs };
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Reads or writes by turns. Never throws for an answer; a connection that ends is status 0. */
export function askCanary(runtimeUrl: string, { token, canary }: CanaryTenant, write: boolean): Promise<CanaryAnswer> {
  const query = write ? 'update canary set n = n + 1 returning tenant_uid' : 'select tenant_uid from canary';
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const asked = request(`${runtimeUrl}/v1/sql`, { method: 'POST', agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', (error) => resolve({ kind: 'refused', status: 0, text: error.message }));
      answer.on('end', () => resolve(judged(answer.statusCode ?? 0, text, canary)));
    });
    asked.on('error', (error) => resolve({ kind: 'refused', status: 0, text: error.message }));
    asked.end(JSON.stringify({ query, params: [] }));
  });
}

function judged(status: number, text: string, canary: string): CanaryAnswer {
  const others = text.replaceAll(canary, '');
  if (others.includes('canary of ')) return { kind: 'foreign', status, text };
  if (status === 200 && text.includes(canary)) return { kind: 'own', status, text };
  return { kind: status === 200 ? 'foreign' : 'refused', status, text };
}
