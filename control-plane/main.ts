// Owns the process of the control plane: configuration from the environment, things started in order, closed in reverse.
import { systemClock } from '../platform/clock.ts';
import { loadConfig } from '../platform/config.ts';
import { serve } from '../platform/http/serve.ts';
import { createLifecycle } from '../platform/lifecycle.ts';
import { createLog, logLevelOf } from '../platform/log.ts';
import { createMetrics, metricsApp } from '../platform/metrics.ts';
import { controlPlaneConfig } from './config.ts';
import { openFoundation } from './foundation.ts';
import { startApi } from './start-api.ts';
import { startReconcilers, startWorkers } from './start-work.ts';

/** Requests in flight get the configured grace; sessions and queue get this on top. */
const closingMs = 5_000;

const env = process.env;
const log = createLog({ name: 'control-plane', level: logLevelOf(env.FREEHOLD_LOG_LEVEL) });
const graceMs = /^\d+$/.test(env.FREEHOLD_SHUTDOWN_GRACE_MS ?? '') ? Number(env.FREEHOLD_SHUTDOWN_GRACE_MS) : 15_000;
const lifecycle = createLifecycle({ log, graceMs: graceMs + closingMs });

await lifecycle.run(async () => {
  // Variables of the runtime and of the command line often stand in the same file.
  const ofOthers = Object.keys(env).filter((name) => /^FREEHOLD_(RUNTIME_|URL$|API_KEY)/.test(name));
  const config = loadConfig(controlPlaneConfig, env, { alsoKnown: ofOthers });
  const metrics = createMetrics();
  const foundation = await openFoundation({ config, log, metrics, lifecycle });
  if (config.roles.includes('worker')) startWorkers(foundation);
  if (config.roles.includes('reconcilers')) await startReconcilers(foundation, lifecycle);
  if (config.roles.includes('api')) await startApi({ ...foundation, clock: systemClock, lifecycle });
  await lifecycle.add(
    'metrics port',
    () => serve({ app: metricsApp(metrics), host: config.host, port: config.metricsPort, log }),
    (server) => server.close(0),
  );
  log.info({ roles: config.roles }, 'control plane started');
});
