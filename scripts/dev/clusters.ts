// Owns the three PostgreSQL servers of the embedded set-up: 'system' holds catalog and queue, 'eu' and 'us' hold tenants.
// Ports are written down once, because the catalog remembers where each cluster is.
import fs from 'node:fs';
import path from 'node:path';
import { tenantHba } from '../../control-plane/postgres/tenant-hba.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import { freePort } from '../../platform/free-port.ts';

export const devClusterNames = ['system', 'eu', 'us'] as const;
export type DevClusterName = (typeof devClusterNames)[number];
export type DevClusters = Record<DevClusterName, EmbeddedPostgres>;

export async function startDevClusters(dataDir: string, superuserPassword: string): Promise<DevClusters> {
  const ports = await devPorts(dataDir);
  const start = (name: DevClusterName): Promise<EmbeddedPostgres> => {
    const logFile = fs.createWriteStream(path.join(dataDir, `${name}.log`), { flags: 'a' });
    return startEmbeddedPostgres({
      dataDir: path.join(dataDir, name),
      port: ports[name],
      superuserPassword,
      // The second lock: a tenant's login reaches no database but its own, whatever CONNECT rights say.
      ...(name === 'system' ? {} : { hba: tenantHba({ networks: ['127.0.0.1/32'] }) }),
      log: (line) => logFile.write(`${line}\n`),
    });
  };
  const started = await Promise.allSettled(devClusterNames.map(start));
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(started.map((result) => (result.status === 'fulfilled' ? result.value.stop() : undefined)));
    throw failed.reason;
  }
  const [system, eu, us] = started.map((result) => (result as PromiseFulfilledResult<EmbeddedPostgres>).value) as [
    EmbeddedPostgres,
    EmbeddedPostgres,
    EmbeddedPostgres,
  ];
  return { system, eu, us };
}

async function devPorts(dataDir: string): Promise<Record<DevClusterName, number>> {
  const file = path.join(dataDir, 'ports.json');
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8')) as Record<DevClusterName, number>;
  const ports: Record<DevClusterName, number> = {
    system: await freePort(),
    eu: await freePort(),
    us: await freePort(),
  };
  fs.writeFileSync(file, `${JSON.stringify(ports)}\n`);
  return ports;
}
