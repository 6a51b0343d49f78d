// Owns the role that answers: the admin API on its port, with the one listener it hears of changes by.
import { checkCatalogSchema } from '../catalog/schema-check.ts';
import { createSigningKeys } from '../catalog/signing-keys.ts';
import type { Clock } from '../platform/clock.ts';
import { createEdge } from '../platform/http/edge.ts';
import { serve } from '../platform/http/serve.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import { createListener } from '../platform/postgres/listener.ts';
import { openSession } from '../platform/postgres/session.ts';
import { createApiKeyDoor } from './api/api-key-door.ts';
import { createAdminApi } from './api/app.ts';
import { bodyLimits } from './api/body-limits.ts';
import { catalogListenerHooks } from './api/catalog-listener.ts';
import { createChanges } from './api/changes.ts';
import type { Foundation } from './foundation.ts';
import { runFsck } from './fsck/run-fsck.ts';
import { installCluster } from './postgres/install-cluster.ts';
import { createFleetLook } from './rollouts/look/fleet-look.ts';

export async function startApi(deps: Foundation & { clock: Clock; lifecycle: Lifecycle }): Promise<void> {
  const { config, log, metrics, catalog, sealer, connections, queue, clock, lifecycle } = deps;
  const { db } = catalog;
  const apiKeys = createApiKeyDoor({ db, sealer, clock, log });
  const signingKeys = createSigningKeys({ db, sealer, issuer: config.issuer });
  const changes = createChanges();
  await lifecycle.add(
    'catalog listener',
    () => {
      const listener = createListener({
        open: (onNotify) =>
          openSession(catalog.address, { applicationName: 'freehold-control-plane-listener', onNotify }),
        ...catalogListenerHooks({ changes, apiKeys, signingKeys, wakeFleet: queue.fleet.wake }),
        log,
      });
      listener.start();
      return listener;
    },
    (listener) => listener.close(),
  );
  const app = createAdminApi({
    db,
    sealer,
    clock,
    log,
    issuer: config.issuer,
    apiKeys,
    signingKeys,
    changes,
    wake: queue.wake,
    wakeFleet: queue.fleet.wake,
    installCluster: (options) =>
      installCluster({
        ...options,
        mac: (text) => sealer.mac('installation', text),
        isMac: (text, mac) => sealer.verifyMac('installation', text, mac),
        log,
      }),
    fsck: (scope) => runFsck({ catalog: db, ...connections, sealer, log }, scope),
    fleet: createFleetLook({ catalog: db, ...connections, sealer, wake: queue.wake, log }),
    readiness: {
      catalog: async () => void (await db.selectFrom('plans').select('id').limit(1).execute()),
      schema: () => checkCatalogSchema(db),
      queue: () => queue.health(),
    },
    stopping: lifecycle.stopping,
    deleteGraceSec: config.deleteGraceSec,
    edge: createEdge({ log, metrics, ...bodyLimits, deadlineMs: config.requestDeadlineMs }),
  });
  await lifecycle.add(
    'admin API',
    () => serve({ app, host: config.host, port: config.port, log }),
    (server) => server.close(config.shutdownGraceMs),
  );
}
