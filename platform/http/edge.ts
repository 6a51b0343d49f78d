// Owns what every request passes before a handler sees it, in this order: request id, log context, body, deadline;
// and what every answer passes: problem document, security headers, log line, metric.
// Promises that a handler is never waited for past its deadline, and that `deadline` aborts then or when the client leaves.
import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono, MiddlewareHandler, Schema } from 'hono';
import { routePath } from 'hono/route';
import { edgeFault } from '../edge-faults.ts';
import type { Fault } from '../errors.ts';
import { type Log, withLogContext } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type BodyRules, readJsonBody } from './body.ts';
import { notFoundDetail, problemHeaders, problemOf, toFault } from './problem.ts';

export type EdgeEnv = {
  Bindings: HttpBindings;
  Variables: {
    requestId: string;
    /** Aborts with a Fault when the time is up, when the client leaves. Hand it to everything that waits. */
    deadline: AbortSignal;
    /** The body, parsed strictly; undefined where there was none. */
    jsonBody: unknown;
  };
};

export type EdgeDeps = {
  log: Log;
  metrics: Metrics;
  bodyLimitBytes: number;
  /** Paths that take larger bodies. */
  bodyLimitBytesByPath?: Readonly<Record<string, number>>;
  /** From the end of the body to the answer. What streams after the answer has begun is not counted. */
  deadlineMs: number;
  untypedJsonPaths?: readonly string[];
  /** Members beside those of a problem document, for the clients of a path that look for them. */
  problemMembers?(fault: Fault, path: string): Record<string, unknown> | undefined;
  /** "failures" writes a line only for 5xx and slow requests, for a process that answers thousands a second. */
  accessLog?: 'all' | 'failures';
};

export interface Edge {
  /** Installs the middleware, the error handler and the not-found handler. Call it before any route is added. */
  attach<E extends EdgeEnv, S extends Schema, P extends string>(app: Hono<E, S, P>): void;
}

export function createEdge(deps: EdgeDeps): Edge {
  const bodyRules: BodyRules = {
    limitBytes: deps.bodyLimitBytes,
    limitBytesByPath: new Map(Object.entries(deps.bodyLimitBytesByPath ?? {})),
    untypedJsonPaths: new Set(deps.untypedJsonPaths),
  };

  const middleware: MiddlewareHandler<EdgeEnv> = async (c, next) => {
    const startedMs = performance.now();
    const requestId = requestIdOf(c);
    c.set('requestId', requestId);
    await withLogContext({ request_id: requestId }, async () => {
      try {
        c.set('jsonBody', await readJsonBody(c, bodyRules));
        await withDeadline(c, deps.deadlineMs, next);
      } catch (error) {
        c.res = answer(c, toFault(error), deps);
      }
      finish(c, deps, requestId, performance.now() - startedMs);
    });
  };

  return {
    attach(app) {
      app.use('*', middleware as MiddlewareHandler);
      app.onError((error, c) => answer(c as unknown as Context<EdgeEnv>, toFault(error), deps));
      app.notFound((c) => answer(c as unknown as Context<EdgeEnv>, edgeFault('not_found', notFoundDetail), deps));
    },
  };
}

/** A client's own id is kept when it is harmless in logs and headers; otherwise we make one. */
function requestIdOf(c: Context): string {
  const given = c.req.header('x-request-id');
  return given !== undefined && /^[A-Za-z0-9_-]{8,64}$/.test(given) ? given : `req_${randomUUID()}`;
}

function answer(c: Context<EdgeEnv>, fault: Fault, { log, problemMembers }: EdgeDeps): Response {
  if (fault.kind === 'internal') log.error({ err: fault }, 'request failed');
  else log.debug({ err: fault }, 'request refused');
  const problem = problemOf(fault, c.get('requestId'));
  return new Response(JSON.stringify({ ...problemMembers?.(fault, c.req.path), ...problem }), {
    status: problem.status,
    headers: problemHeaders(fault),
  });
}

/** Runs the handler; at the deadline it answers without waiting for it any longer. */
async function withDeadline(c: Context<EdgeEnv>, deadlineMs: number, next: () => Promise<void>): Promise<void> {
  const controller = new AbortController();
  c.set('deadline', controller.signal);
  onClientGone(c, () => controller.abort(edgeFault('client_closed', 'The connection was closed before the answer.')));
  const timeUp = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const fault = edgeFault('deadline_exceeded', `The request took longer than ${deadlineMs} ms and was cancelled.`);
    controller.abort(fault);
    timeUp.reject(fault);
  }, deadlineMs);
  try {
    await Promise.race([next(), timeUp.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function onClientGone(c: Context<EdgeEnv>, act: () => void): void {
  const outgoing = (c.env as Partial<HttpBindings> | undefined)?.outgoing;
  if (outgoing) outgoing.once('close', () => !outgoing.writableFinished && act());
  else c.req.raw.signal.addEventListener('abort', act, { once: true });
}

function finish(c: Context<EdgeEnv>, deps: EdgeDeps, requestId: string, durationMs: number): void {
  const { headers, status } = c.res;
  headers.set('x-request-id', requestId);
  for (const [name, value] of securityHeaders) if (!headers.has(name)) headers.set(name, value);
  const route = routeOf(c);
  deps.metrics.observeHttp(route, c.req.method, status, durationMs / 1000);
  if (deps.accessLog === 'failures' && status < 500 && durationMs < slowRequestMs) return;
  deps.log.info(
    {
      method: c.req.method,
      route,
      path: c.req.path.slice(0, 200),
      status,
      duration_ms: Math.round(durationMs * 10) / 10,
    },
    'request',
  );
}

/** The template of the matched route; "unmatched" when only middleware matched, so that strangers cannot make labels. */
function routeOf(c: Context): string {
  const path = routePath(c, -1);
  return path === '' || path.endsWith('*') ? 'unmatched' : path;
}

const slowRequestMs = 1_000;

/** A page that needs more (the docs) sets its own Content-Security-Policy, which is then left alone. */
const securityHeaders = [
  ['x-content-type-options', 'nosniff'],
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['referrer-policy', 'no-referrer'],
] as const;
