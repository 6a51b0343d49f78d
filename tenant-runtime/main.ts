// Owns the process of the standalone runtime, a thin use of the library: things started in order, closed in reverse.
import { readFileSync } from 'node:fs';
import { serve } from '../platform/http/serve.ts';
import { createLifecycle } from '../platform/lifecycle.ts';
import { createLog, logLevelOf } from '../platform/log.ts';
import { createTenantRuntime } from './create-tenant-runtime.ts';

/** Until the configuration is read; it may itself be what is wrong. */
const graceBeforeConfigMs = 5_000;

const env = process.env;
// Grafast asks the environment whether it shall check every plan as in development, and warns when nothing is said.
env.GRAPHILE_ENV ??= 'production';
const graceMs = /^\d+$/.test(env.FREEHOLD_SHUTDOWN_GRACE_MS ?? '')
  ? Number(env.FREEHOLD_SHUTDOWN_GRACE_MS)
  : graceBeforeConfigMs * 3;
const log = createLog({ name: 'tenant-runtime', level: logLevelOf(env.FREEHOLD_LOG_LEVEL) });
// What is left of the grace after the requests in flight goes to sessions and the snapshot.
const lifecycle = createLifecycle({ log, graceMs: graceMs + graceBeforeConfigMs });

await lifecycle.run(async () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const runtime = await lifecycle.add(
    'runtime',
    () => createTenantRuntime({ env, version, log }),
    (it) => it.stop(),
  );
  lifecycle.stopping.addEventListener('abort', () => runtime.drain(), { once: true });
  await runtime.start();
  const { runtimeHost: host, runtimePort, runtimeMetricsPort, shutdownGraceMs } = runtime.config;
  await lifecycle.add(
    'metrics port',
    () => serve({ app: runtime.metricsPage, host, port: runtimeMetricsPort, log }),
    (server) => server.close(0),
  );
  const server = await lifecycle.add(
    'tenant port',
    () => serve({ app: runtime.dataApi, host, port: runtimePort, log }),
    (it) => it.close(shutdownGraceMs),
  );
  log.info({ url: server.url }, 'tenant runtime is ready');
});
