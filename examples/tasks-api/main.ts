// Owns the process of the example: start, serve, stop.
import { serve } from '@hono/node-server';
import { createTasksApi } from './app.ts';

const { app, runtime } = createTasksApi(process.env);
await runtime.start();
const { runtimeHost: hostname, runtimePort: port } = runtime.config;
const server = serve({ fetch: app.fetch, hostname, port }, (address) => {
  console.log(`tasks-api listens on http://${hostname}:${address.port}`);
});

process.once('SIGTERM', () => {
  runtime.drain();
  server.close(() => void runtime.stop());
});
