// Owns a whole control plane over HTTP for tests: the installation (catalog, two private clusters, engine), the admin API on a real
// port, one listener, a key for every role. Woken operations run in this process, one after the other, as a worker would.

import { newApiKeyText } from '../../catalog/api-key-text.ts';
import { ensureBootstrapKey } from '../../catalog/api-keys.ts';
import type { OperationId, RolloutId } from '../../catalog/ids.ts';
import { moveHead } from '../../catalog/lane-heads.ts';
import { readFilesBeyond, readLane } from '../../catalog/releases.ts';
import { type AdminRole, adminRoles } from '../../catalog/roles.ts';
import { checkCatalogSchema } from '../../catalog/schema-check.ts';
import { createSigningKeys, ensureSigningKeys } from '../../catalog/signing-keys.ts';
import { selectTargets } from '../../catalog/targets.ts';
import { createApiKeyDoor } from '../../control-plane/api/api-key-door.ts';
import { createAdminApi } from '../../control-plane/api/app.ts';
import { bodyLimits } from '../../control-plane/api/body-limits.ts';
import { catalogListenerHooks } from '../../control-plane/api/catalog-listener.ts';
import { createChanges } from '../../control-plane/api/changes.ts';
import type { AdminApiDeps } from '../../control-plane/api/deps.ts';
import { type Client, createClient } from '../../control-plane/client.ts';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import { installCluster } from '../../control-plane/postgres/install-cluster.ts';
import { createFleetLook } from '../../control-plane/rollouts/look/fleet-look.ts';
import { createFleetWork } from '../../control-plane/rollouts/work/fleet-work.ts';
import { systemClock } from '../../platform/clock.ts';
import { createEdge } from '../../platform/http/edge.ts';
import { serve } from '../../platform/http/serve.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { createListener } from '../../platform/postgres/listener.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { createInstallation, type Installation } from './installation.ts';
import { waitUntil } from './wait-until.ts';

export type ControlPlane = {
  url: string;
  installation: Installation;
  /** Key text and id of one live key per role. */
  keys: Record<AdminRole, { text: string; id: string }>;
  client(role: AdminRole): Client;
  /** A bare request, with the key of a role when one is named. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  /** While held, woken operations wait. */
  hold(): void;
  letGo(): void;
  /** Stops the process as SIGTERM would, as far as the API sees it. */
  stopping: AbortController;
  close(): Promise<void>;
};

export type RequestOptions = {
  as?: AdminRole;
  key?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

export async function startControlPlane(overrides: Partial<AdminApiDeps> = {}): Promise<ControlPlane> {
  const installation = await createInstallation();
  const { catalog, sealer, log } = installation;
  const { db } = catalog;
  const issuer = 'https://freehold.test';
  await ensureSigningKeys(db, sealer, issuer);
  const owner = newApiKeyText();
  await ensureBootstrapKey(db, sealer, owner.text);
  const signingKeys = createSigningKeys({ db, sealer, issuer });
  const apiKeys = createApiKeyDoor({ db, sealer, clock: systemClock, log });
  const changes = createChanges();
  const stopping = new AbortController();
  const worker = createWorker(installation);
  const fleet = createFleetWorker(installation);
  const listener = createListener({
    open: (onNotify) => openSession(catalog.address, { applicationName: 'freehold-test-listener', onNotify }),
    ...catalogListenerHooks({ changes, apiKeys, signingKeys, wakeFleet: fleet.wake }),
    log,
  });
  listener.start();
  const api = createAdminApi({
    db,
    sealer,
    clock: systemClock,
    log,
    issuer,
    apiKeys,
    signingKeys,
    changes,
    wake: async (id) => worker.wake(id),
    wakeFleet: fleet.wake,
    installCluster: (options) =>
      installCluster({
        ...options,
        mac: (text) => sealer.mac('installation', text),
        isMac: (text, mac) => sealer.verifyMac('installation', text, mac),
        log,
      }),
    fsck: () => runFsck({ catalog: db, ...installation.connections, sealer, log }),
    fleet: createFleetLook({
      catalog: db,
      ...installation.connections,
      sealer,
      wake: async (id) => worker.wake(id),
      log,
    }),
    readiness: {
      catalog: async () => void (await db.selectFrom('plans').select('id').limit(1).execute()),
      schema: () => checkCatalogSchema(db),
      queue: async () => {},
    },
    stopping: stopping.signal,
    deleteGraceSec: 3_600,
    edge: createEdge({ log, metrics: createMetrics(), ...bodyLimits, deadlineMs: 90_000 }),
    ...overrides,
  });
  const server = await serve({ app: api, host: '127.0.0.1', port: 0, log });
  await waitUntil(() => listener.connected, { what: 'the listener of the API' });
  const keys = await keyForEachRole(server.url, owner);
  return {
    url: server.url,
    installation,
    keys,
    client: (role) => createClient({ baseUrl: server.url, apiKey: keys[role].text }),
    request: (method, path, options = {}) => sendBare(server.url, keys, method, path, options),
    hold: worker.hold,
    letGo: worker.letGo,
    stopping,
    close: async () => {
      stopping.abort();
      await server.close(1_000);
      await worker.settled();
      await fleet.stop();
      await listener.close();
      await installation.close();
    },
  };
}

async function keyForEachRole(baseUrl: string, owner: { id: string; text: string }): Promise<ControlPlane['keys']> {
  const client = createClient({ baseUrl, apiKey: owner.text });
  const entries = await Promise.all(
    adminRoles.map(async (role) => {
      if (role === 'owner') return [role, { id: owner.id, text: owner.text }] as const;
      const { id, key } = await client.apiKeys.create({ name: `test ${role}`, role });
      return [role, { id, text: key }] as const;
    }),
  );
  return Object.fromEntries(entries) as ControlPlane['keys'];
}

async function sendBare(
  url: string,
  keys: ControlPlane['keys'],
  method: string,
  path: string,
  { as, key, body, headers, signal }: RequestOptions,
): Promise<Response> {
  const text = key ?? (as === undefined ? undefined : keys[as].text);
  return await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(text !== undefined && { authorization: `Bearer ${text}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal !== undefined && { signal }),
  });
}

/** Works on what is woken as a worker of the fleet's queue would: one share of each rollout, which drives by itself. */
function createFleetWorker(installation: Installation) {
  const { catalog, connections, log } = installation;
  const stop = new AbortController();
  const running = new Map<RolloutId, Promise<unknown>>();
  const work = createFleetWork({
    catalog: catalog.db,
    databases: connections.databases,
    laneOf: (release) => readLane(catalog.db, release),
    filesBeyond: (target) => readFilesBeyond(catalog.db, target),
    selected: async (tx, lane, selection) => (await selectTargets(tx, lane, selection)).map((it) => it.databaseId),
    moveHead,
    log,
    holder: 'test-fleet',
  });
  return {
    wake: async (id: RolloutId) => {
      const before = running.get(id);
      const run = (async () => {
        await before;
        await work.pump(id, stop.signal);
      })();
      running.set(id, run);
    },
    stop: async () => {
      stop.abort();
      await Promise.allSettled(running.values());
    },
  };
}

/** Runs what is woken until it is finished; what is due later is run when it is due. */
function createWorker(installation: Installation) {
  let gate: PromiseWithResolvers<void> | undefined;
  const running = new Set<Promise<void>>();
  const runToEnd = async (id: OperationId): Promise<void> => {
    for (;;) {
      await gate?.promise;
      const { outcome, retryInMs } = await installation.run(id);
      if (outcome !== 'retry') return;
      await new Promise((resolve) => setTimeout(resolve, retryInMs ?? 0));
    }
  };
  return {
    wake(id: OperationId) {
      const run = runToEnd(id).finally(() => running.delete(run));
      running.add(run);
    },
    hold: () => {
      gate ??= Promise.withResolvers<void>();
    },
    letGo: () => {
      gate?.resolve();
      gate = undefined;
    },
    settled: async () => {
      gate?.resolve();
      await Promise.all(running);
    },
  };
}
