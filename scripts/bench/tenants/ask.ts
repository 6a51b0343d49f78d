// Owns one request of a bench as a client sends it, and the figures of many: how long each took and what came back.
import http from 'node:http';

/** Enough for every request of a storm at once: the client must not be the queue. */
const agent = new http.Agent({ keepAlive: true, maxSockets: 4_000 });

export type Asked = { status: number; ms: number };

export function ask(url: string, token: string, query: string, signal?: AbortSignal): Promise<Asked> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/v1/sql`, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      ...(signal !== undefined && { signal }),
    });
    request.once('error', reject);
    request.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - startedMs }));
    });
    request.end(JSON.stringify({ query }));
  });
}

/** Each tenant until it has answered, a few at a time: a machine that does other things too may refuse some at first. */
export async function askEach(url: string, tokens: readonly string[], atOnce = 16): Promise<void> {
  let next = 0;
  const one = async () => {
    for (let token = tokens[next++]; token !== undefined; token = tokens[next++]) {
      for (let left = 50; (await ask(url, token, 'select 1')).status !== 200; left--) {
        if (left === 0) throw new Error('a tenant does not answer');
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function countStatuses(answers: readonly Asked[]): string {
  const counts = new Map<number, number>();
  for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${status}: ${count}`).join(', ');
}
