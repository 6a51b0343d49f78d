// Owns following an operation until its final state, whatever becomes of the stream.
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonClient } from '../../platform/http/json-client.ts';
import type { Operation, OperationWithSteps } from '../api/present/operation.ts';
import { segment } from './pages.ts';

/** How often an operation is read when it cannot be followed live. */
const pollMs = 1_000;

/** Live while the server streams; by reading again when the stream is cut or a proxy does not let it through. */
export async function* followOperation(
  http: JsonClient,
  read: (id: string) => Promise<OperationWithSteps>,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<OperationWithSteps> {
  let seen = '';
  for (;;) {
    try {
      for await (const { data } of http.events(`/v1/operations/${segment(id)}/events`, signal)) {
        if (data === seen) continue;
        seen = data;
        const operation = JSON.parse(data) as OperationWithSteps;
        yield operation;
        if (isFinal(operation)) return;
      }
    } catch (error) {
      // A problem document is an answer; anything else is a stream that broke.
      if (error instanceof Error && error.name === 'ApiProblem') throw error;
      signal?.throwIfAborted();
    }
    const operation = await read(id);
    if (JSON.stringify(operation) !== seen) {
      seen = JSON.stringify(operation);
      yield operation;
    }
    if (isFinal(operation)) return;
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}

function isFinal({ state }: Operation): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}
