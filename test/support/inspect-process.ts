// Owns looking into a server process that runs, through the debugger that Node has built in: what it holds after a full garbage
// collection, and what keeps its event loop alive. The program is the real one; it only listens for a debugger on loopback.
import { vitalSignsOf } from './vital-signs.ts';
import { waitUntil } from './wait-until.ts';

/** For the environment of a process that is to be looked into. */
export const inspectable = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

export type InsideView = {
  /** After a full collection. */
  heapMib: number;
  /** Buffers, and what libraries hold outside of the heap. */
  externalMib: number;
  rssMib: number;
  files: number;
  sockets: number;
  /** What Node would wait for before it ends by itself. */
  handles: number;
};

export type Inspector = { look(): Promise<InsideView>; evaluate<T>(expression: string): Promise<T>; close(): void };

export async function inspectProcess({ pid, output }: { pid: number; output(): string }): Promise<Inspector> {
  const url = await waitUntil(() => /ws:\/\/127\.0\.0\.1:\d+\/\S+/.exec(output())?.[0], { what: 'the debugger' });
  const socket = new WebSocket(url);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  const lost = () => {
    for (const { reject } of waiting.values()) reject(new Error('the process has ended'));
    waiting.clear();
  };
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error(`no debugger at ${url}`)));
  });
  socket.addEventListener('close', lost);
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as Answer;
    const asked = waiting.get(id ?? 0);
    waiting.delete(id ?? 0);
    if (error !== undefined) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  });
  let last = 0;
  const send = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (socket.readyState !== WebSocket.OPEN) return reject(new Error('the process has ended'));
      waiting.set(++last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  const evaluate = async <T>(expression: string): Promise<T> => {
    const { result } = (await send('Runtime.evaluate', { expression, returnByValue: true })) as Evaluated<T>;
    return result.value;
  };
  return {
    evaluate,
    async look() {
      // Twice: what finalizers let go of goes with the second.
      await send('HeapProfiler.collectGarbage');
      await send('HeapProfiler.collectGarbage');
      const { heapUsed, external, handles } = await evaluate<MemoryAndHandles>(
        '({ ...process.memoryUsage(), handles: process.getActiveResourcesInfo().length })',
      );
      return { heapMib: heapUsed / mib, externalMib: external / mib, handles, ...vitalSignsOf(pid) };
    },
    close: () => socket.close(),
  };
}

type Answer = { id?: number; result?: unknown; error?: { message: string } };
type Evaluated<T> = { result: { value: T } };
type MemoryAndHandles = { heapUsed: number; external: number; handles: number };
const mib = 1024 * 1024;
