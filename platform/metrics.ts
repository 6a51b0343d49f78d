// Owns the numbers of one process: a registry of its own, the HTTP histogram and the metrics page.
// Promises bounded labels: routes by template, methods from a fixed list, statuses by class. No ids, no paths of clients.
import { Hono } from 'hono';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** For counters and gauges of other rooms: `new Counter({ …, registers: [metrics.registry] })`. */
  readonly registry: Registry;
  observeHttp(route: string, method: string, status: number, seconds: number): void;
  page(): Promise<{ contentType: string; body: string }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const http = new Histogram({
    name: 'freehold_http_request_seconds',
    help: 'Time from the end of the headers to the answer, by route template.',
    labelNames: ['route', 'method', 'status'] as const,
    // From a cached route (under 1 ms) to the longest deadline.
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
    registers: [registry],
  });
  const routeLabel = boundedLabel(labelValuesMax);
  return {
    registry,
    observeHttp(route, method, status, seconds) {
      http.observe(
        {
          route: routeLabel(route),
          method: methods.has(method) ? method : 'other',
          status: `${Math.floor(status / 100)}xx`,
        },
        seconds,
      );
    },
    page: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

/** Serves GET /metrics on a port of its own, which is never the port of tenants. */
export function metricsApp(metrics: Metrics): Hono {
  return new Hono().get('/metrics', async (c) => {
    const { contentType, body } = await metrics.page();
    return c.body(body, 200, { 'content-type': contentType });
  });
}

/** Lets the first `max` distinct values through; every later one is "other". */
export function boundedLabel(max: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= max) return 'other';
    seen.add(value);
    return value;
  };
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** We have some 60 routes; a second hundred would be a mistake in labelling. */
const labelValuesMax = 200;
