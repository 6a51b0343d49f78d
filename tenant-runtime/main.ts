// Owns the process of the tenant runtime: configuration from the environment, things started in order, closed in reverse.
import { readFileSync } from 'node:fs';
import { systemClock } from '../platform/clock.ts';
import { loadConfig } from '../platform/config.ts';
import { serve } from '../platform/http/serve.ts';
import { createLifecycle } from '../platform/lifecycle.ts';
import { createLog, logLevelOf } from '../platform/log.ts';
import { createMetrics, metricsApp } from '../platform/metrics.ts';
import { runtimeConfig } from './config.ts';
import { createRuntime } from './runtime.ts';

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
  // Variables of the control plane often stand in the same file.
  const ofOthers = Object.keys(env).filter((name) => !name.startsWith('FREEHOLD_RUNTIME_'));
  const config = loadConfig(runtimeConfig, env, { alsoKnown: ofOthers });
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const metrics = createMetrics();

  const runtime = await lifecycle.add(
    'runtime',
    () => createRuntime({ config, version, log, metrics, clock: systemClock }),
    (it) => it.stop(),
  );
  lifecycle.stopping.addEventListener('abort', () => runtime.drain(), { once: true });
  await runtime.start();
  const host = config.runtimeHost;
  await lifecycle.add(
    'metrics port',
    () => serve({ app: metricsApp(metrics), host, port: config.runtimeMetricsPort, log }),
    (server) => server.close(0),
  );
  const server = await lifecycle.add(
    'tenant port',
    () => serve({ app: runtime.app, host, port: config.runtimePort, log }),
    (it) => it.close(config.shutdownGraceMs),
  );
  log.info({ url: server.url }, 'tenant runtime is ready');
});
