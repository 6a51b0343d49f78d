// Owns how changes reach the runtime: NOTIFY within milliseconds, and by age whatever NOTIFY lost. After each connect of the
// listener everything known is compared, because nobody keeps notifications for the absent.
import { isId } from '../catalog/ids.ts';
import type { Log } from '../platform/log.ts';
import { createListener } from '../platform/postgres/listener.ts';
import type { Session } from '../platform/postgres/session.ts';
import type { RouteCache } from './route-cache.ts';
import type { VerificationKeys } from './verification-keys.ts';

export interface RouteChanges {
  start(): void;
  close(): Promise<void>;
  readonly connected: boolean;
}

export type RouteChangesDeps = {
  open(onNotify: (channel: string, payload: string) => void): Promise<Session>;
  routes: Pick<RouteCache, 'notified' | 'revalidateAll'>;
  keys: Pick<VerificationKeys, 'refresh'>;
  routeRefreshMs: number;
  log: Log;
};

/** An emergency revocation must hold after 60 s also where NOTIFY was lost (J13). */
const keyRefreshMs = 20_000;

export function createRouteChanges({ open, routes, keys, routeRefreshMs, log }: RouteChangesDeps): RouteChanges {
  const listener = createListener({
    open,
    channels: ['freehold_routes', 'freehold_keys'],
    onNotify(channel, payload) {
      if (channel === 'freehold_keys') return void keys.refresh();
      const [tenantId, generation] = payload.split(':');
      if (isId('tenant', tenantId)) routes.notified(tenantId, Number(generation));
    },
    onGap() {
      void routes.revalidateAll();
      void keys.refresh();
    },
    log,
  });
  const timers: NodeJS.Timeout[] = [];
  return {
    start() {
      listener.start();
      timers.push(setInterval(() => void routes.revalidateAll(), routeRefreshMs));
      timers.push(setInterval(() => void keys.refresh(), keyRefreshMs));
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await listener.close();
    },
    get connected() {
      return listener.connected;
    },
  };
}
