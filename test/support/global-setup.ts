// Owns what a test run starts once and ends at its end: the system cluster, two tenant clusters, the catalog's template.
import fs from 'node:fs';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildCatalogTemplate } from './catalog.ts';
import { createTestFolder, removeAbandonedTestFolders, startTestServer } from './clusters.ts';
import type { ServerAddress } from './server-address.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandonedTestFolders();
  const folder = createTestFolder();
  const started = await Promise.allSettled(
    ['system', 'a', 'b'].map((name) => startTestServer(path.join(folder, name))),
  );
  const servers = started.filter((result) => result.status === 'fulfilled').map((result) => result.value);
  const end = async () => {
    await Promise.all(servers.map((server) => server.stop('immediate')));
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    const [system, a, b] = servers.map((server) => server.address) as [ServerAddress, ServerAddress, ServerAddress];
    await buildCatalogTemplate(system);
    project.provide('clusters', { system, a, b });
  } catch (error) {
    await end(); // there is no teardown after a setup that failed, and the servers would live on
    throw error;
  }
  return end;
}
