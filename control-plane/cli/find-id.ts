// Owns the way from what people type (a slug, a name) to the id that the API wants where something is changed.
import type { Client } from '../client.ts';

export async function tenantIdOf(client: Client, idOrSlug: string): Promise<string> {
  return idOrSlug.startsWith('tnt_') ? idOrSlug : (await client.tenants.get(idOrSlug)).id;
}

export async function clusterIdOf(client: Client, idOrName: string): Promise<string> {
  return idOrName.startsWith('cls_') ? idOrName : (await client.clusters.get(idOrName)).id;
}
