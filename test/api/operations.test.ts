// Operations over HTTP: following live, waiting, cancelling, retrying.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { createClient, type OperationWithSteps } from '../../control-plane/client.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

let count = 0;
const begin = async () => {
  const body = { slug: `op-${++count}`, name: 'N', region: 'here', plan: 'team' };
  return await plane.client('operator').tenants.create(body);
};

describe('following live', () => {
  test('SSE shows each change, the present state first, and ends by itself with a final one', async () => {
    plane.hold();
    const { operation } = await begin();
    const answer = await plane.request('GET', `/v1/operations/${operation.id}/events`, {
      as: 'viewer',
      headers: { 'last-event-id': '7' },
    });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const reading = answer.text();
    plane.letGo();
    const events = (await reading).split('\n\n').filter((block) => block.startsWith('event: operation'));
    const seen = events.map((block) => JSON.parse(/^data: (.*)$/m.exec(block)?.[1] as string) as OperationWithSteps);
    expect(seen[0]?.state).toBe('pending');
    expect(seen.at(-1)).toMatchObject({ state: 'succeeded', steps_done: seen.at(-1)?.steps_total });
    const done = seen.map((each) => each.steps_done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    // Without notifications it would be two: the present state and, after the next reading, the final one.
    expect(seen.length).toBeGreaterThan(2);
    expect(events.map((block) => /^id: (\d+)$/m.exec(block)?.[1])).toEqual(events.map((_, i) => String(i + 1)));
  });

  test('an operation that is over gives one event; an unknown one a problem document', async () => {
    const { operation } = await begin();
    const operator = plane.client('operator');
    await operator.operations.wait(operation.id);
    const seen = [];
    for await (const each of operator.operations.follow(operation.id)) seen.push(each.state);
    expect(seen).toEqual(['succeeded']);
    const answer = await plane.request('GET', `/v1/operations/${newId('operation')}/events`, { as: 'viewer' });
    expect(await answer.json()).toMatchObject({ status: 404, code: 'operation_not_found' });
  });

  test('the client falls back to reading when streams do not get through', async () => {
    const { operation } = await begin();
    const noStreams: typeof fetch = async (input, init) => {
      if (String(input).endsWith('/events')) throw new TypeError('fetch failed');
      return await fetch(input, init);
    };
    const client = createClient({ baseUrl: plane.url, apiKey: plane.keys.viewer.text, fetch: noStreams });
    expect((await client.operations.wait(operation.id)).state).toBe('succeeded');
  });

  test('a client that leaves is forgotten', async () => {
    plane.hold();
    const { operation } = await begin();
    const leave = new AbortController();
    const answer = await plane.request('GET', `/v1/operations/${operation.id}/events`, {
      as: 'viewer',
      signal: leave.signal,
    });
    await answer.body?.getReader().read();
    leave.abort();
    plane.letGo();
    expect((await plane.client('viewer').operations.wait(operation.id)).state).toBe('succeeded');
  });
});

describe('cancel and retry', () => {
  test('a cancelled provisioning is undone, and can be retried', async () => {
    const operator = plane.client('operator');
    plane.hold();
    const { tenant, operation } = await begin();
    expect((await operator.operations.cancel(operation.id)).cancel_requested).toBe(true);
    plane.letGo();
    expect((await operator.operations.wait(operation.id)).state).toBe('cancelled');
    expect((await operator.tenants.get(tenant.id)).state).toBe('failed');
    await operator.operations.retry(operation.id);
    expect((await operator.operations.wait(operation.id)).state).toBe('succeeded');
    expect((await operator.tenants.get(tenant.id)).state).toBe('active');
  });

  test('what is over cannot be cancelled, what succeeded cannot be retried', async () => {
    const { operation } = await begin();
    const operator = plane.client('operator');
    await operator.operations.wait(operation.id);
    await expect(operator.operations.cancel(operation.id)).rejects.toMatchObject({
      code: 'not_cancellable',
      status: 409,
    });
    await expect(operator.operations.retry(operation.id)).rejects.toMatchObject({ code: 'not_retryable', status: 409 });
  });
});

describe('reading', () => {
  test('list by tenant, state and kind; steps in the single answer', async () => {
    const { tenant, operation } = await begin();
    const viewer = plane.client('viewer');
    const ended = await viewer.operations.wait(operation.id);
    expect(ended.steps.map((step) => step.state)).toEqual(ended.steps.map(() => 'done'));
    const page = await viewer.operations.page({ tenant_id: tenant.id, state: 'succeeded', kind: 'provision-tenant' });
    expect(page.data.map(({ id }) => id)).toEqual([operation.id]);
    const wrongKind = await plane.request('GET', `/v1/operations?tenant_id=${newId('cluster')}`, { as: 'viewer' });
    expect(await wrongKind.json()).toMatchObject({ code: 'invalid_query' });
  });

  test('what went wrong inside is for operators, DBAs and owners', async () => {
    const { operation } = await begin();
    await plane.client('viewer').operations.wait(operation.id);
    const error = { code: 'x', message: 'A public sentence.', internal: 'host db1.internal', retryable: false };
    await plane.installation.catalog.db
      .updateTable('operations')
      .set({ error: JSON.stringify(error) })
      .where('id', '=', operation.id as `opr_${string}`)
      .execute();
    const seen = async (role: 'viewer' | 'sales' | 'operator' | 'dba' | 'owner') =>
      (await plane.client(role).operations.get(operation.id)).error;
    for (const role of ['viewer', 'sales'] as const)
      expect(await seen(role)).toEqual({ code: 'x', message: error.message, retryable: false });
    for (const role of ['operator', 'dba', 'owner'] as const) expect(await seen(role)).toEqual(error);
  });
});
