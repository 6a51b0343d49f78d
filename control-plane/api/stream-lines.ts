// Owns answers that come line by line: one JSON document a line (application/x-ndjson), as things are found. The last line is a
// `summary`; a stream that ends without one was cut, and a `broken` line says why where it can. An empty line is a sign of life.
import { stream } from 'hono/streaming';
import { describeUnanswered } from '../rollouts/look/describe-unanswered.ts';
import type { RouteDeps } from './deps.ts';
import type { AdminContext } from './route.ts';

export const linesType = 'application/x-ndjson';

/** Proxies cut connections on which nothing moves for 30 to 60 s. */
const heartbeatMs = 15_000;

/** `make` gets a signal that aborts when the client leaves and when the process stops; what it has begun it ends by itself. */
export function streamLines(
  deps: Pick<RouteDeps, 'stopping' | 'log'>,
  c: AdminContext,
  make: (signal: AbortSignal) => AsyncIterable<object>,
): Response {
  c.header('content-type', linesType);
  c.header('x-accel-buffering', 'no');
  return stream(c, async (out) => {
    const gone = new AbortController();
    out.onAbort(() => gone.abort(new Error('the client has gone')));
    const signal = AbortSignal.any([gone.signal, deps.stopping]);
    const beat = setInterval(() => void out.write('\n'), heartbeatMs);
    try {
      for await (const line of make(signal)) {
        if (signal.aborted) break;
        await out.write(`${JSON.stringify(line)}\n`);
      }
      if (deps.stopping.aborted)
        await out.write(brokenLine({ code: 'stopping', message: 'The control plane is stopping.' }));
    } catch (error) {
      // The answer has begun, so no problem document can follow.
      if (!signal.aborted) deps.log.error({ err: error }, 'a stream of lines ended early');
      await out.write(brokenLine(describeUnanswered(error)));
    } finally {
      clearInterval(beat);
    }
  });
}

function brokenLine(error: { code: string; message: string }): string {
  return `${JSON.stringify({ type: 'broken', ...error })}\n`;
}
