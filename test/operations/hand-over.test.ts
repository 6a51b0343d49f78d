// What a process wakes and has room for it runs at once; the nudge in the queue is only for the case that it dies.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId, type OperationId } from '../../catalog/ids.ts';
import { createQueue, type OperationQueue } from '../../control-plane/queue/queue.ts';
import { type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { testLog } from '../support/installation.ts';
import { waitUntil } from '../support/wait-until.ts';

let cluster: PrivateCluster;
beforeAll(async () => {
  cluster = await startPrivateCluster();
});
afterAll(() => cluster.remove());

const open = (): Promise<OperationQueue> => {
  const { user, password, host, port, database } = cluster.address;
  const url = `postgres://${user}:${password}@${host}:${port}/${database}`;
  return createQueue({
    url,
    log: testLog(),
    onFatal: (error) => {
      throw error;
    },
  });
};

test('P03 handed over at once, the late nudge is taken back when the work is done, and work goes on without the queue', async () => {
  const queue = await open();
  const handled: OperationId[] = [];
  const gate = Promise.withResolvers<void>();
  queue.work(
    'foreground',
    1,
    async (id) => {
      handled.push(id);
      await gate.promise;
    },
    { handOver: true },
  );
  const [first, second] = [newId('operation'), newId('operation')];
  const woken = queue.wake(first, 'foreground');
  expect(handled).toEqual([first]); // in the same turn, before the queue has answered
  await woken;
  expect(await queue.pending('foreground')).toBe(1); // what is left if this process dies now

  await queue.wake(second, 'foreground'); // no room here: it waits in the queue like any other
  gate.resolve();
  await waitUntil(() => handled.includes(second), { what: 'the second, by its nudge' });
  await waitUntil(async () => (await queue.pending('foreground')) === 0, { what: 'the late nudge taken back' });
  expect(handled.filter((id) => id === first)).toEqual([first]);

  await cluster.stop('immediate');
  const third = newId('operation');
  const lost = queue.wake(third, 'foreground');
  expect(handled).toContain(third);
  await lost;
  await cluster.start();
  await queue.close();
});

test('P03 what failed keeps its nudge, and close waits for what was handed over', async () => {
  const queue = await open();
  const gate = Promise.withResolvers<void>();
  let ended = false;
  const handle = async () => {
    await gate.promise;
    ended = true;
    throw new Error('the catalog is away');
  };
  queue.work('foreground', 2, handle, { handOver: true });
  await queue.wake(newId('operation'), 'foreground');
  const closed = queue.close();
  gate.resolve();
  await closed;
  expect(ended).toBe(true);
  const reader = await open();
  expect(await reader.pending('foreground')).toBe(1);
  await reader.close();
});
