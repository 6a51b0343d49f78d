// A listener hears what is sent, comes back after every loss, and says when it may have missed something.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListener } from '../../platform/postgres/listener.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures, terminate } from '../support/session-fixtures.ts';
import { waitUntil } from '../support/wait-until.ts';

describe('a listener', () => {
  let scratch: ScratchDatabase;
  let proxy: FaultProxy;
  afterAll(() => Promise.all([proxy.close(), scratch.drop()]));
  checkForLeaks(() => [scratch.address]);
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();
  let speaker: Session;

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    proxy = await startFaultProxy(scratch.address);
    speaker = await fixtures.open(scratch.address);
  });

  function start() {
    const heard: string[] = [];
    const state = { gaps: 0, session: undefined as Session | undefined };
    const listener = createListener({
      open: async (onNotify) => {
        state.session = await openSession(
          { ...scratch.address, host: proxy.host, port: proxy.port },
          { applicationName: 'freehold-listener', connectTimeoutMs: 500, onNotify },
        );
        return state.session;
      },
      channels: ['route', 'Key"Change'],
      onNotify: (channel, payload) => heard.push(`${channel}:${payload}`),
      onGap: () => {
        state.gaps++;
      },
      log: { info: () => {}, warn: () => {} },
      probeMs: 100,
    });
    listener.start();
    return { listener, heard, state };
  }

  test('R03 hears all channels, and again after its backend was killed', async () => {
    const { listener, heard, state } = start();
    await waitUntil(() => state.gaps === 1, { what: 'the first connect' });
    await speaker.query(`SELECT pg_notify('route', 'one'), pg_notify('Key"Change', 'two')`);
    await waitUntil(() => heard.length === 2, { what: 'both notifications' });
    expect(heard).toEqual(['route:one', 'Key"Change:two']);
    await terminate(speaker, state.session?.backendPid as number);
    await waitUntil(() => state.gaps === 2, { what: 'the second connect' });
    expect(listener.connected).toBe(true);
    await speaker.query(`SELECT pg_notify('route', 'three')`);
    await waitUntil(() => heard.includes('route:three'), { what: 'the third notification' });
    await listener.close();
    expect(listener.connected).toBe(false);
  });

  test('R03 notices a half-open connection by its own probe', async () => {
    const { listener, state } = start();
    await waitUntil(() => state.gaps === 1, { what: 'the first connect' });
    proxy.blackhole();
    await waitUntil(() => !listener.connected, { what: 'the loss to be noticed', timeoutMs: 4_000 });
    proxy.heal();
    await waitUntil(() => state.gaps === 2, { what: 'the second connect' });
    await listener.close();
  });
});
