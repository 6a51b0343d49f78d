// Owns the first connection of each queue and worker of BullMQ on PostgreSQL. BullMQ 6.7 makes it once and remembers for ever that
// it failed: one that takes longer than its timeout, on a busy machine, left a worker that asked again from a loop of microtasks.
// No timer of the process ran any more: it renewed no lease, answered no request, and nobody restarted it. Here a failure is told
// to whoever asked, after a pause, and the next one who asks tries anew.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  assertSchemaCompatibility,
  type BackendFactory,
  PostgresConnection,
  type PostgresConnectionOptions,
  PostgresQueueBackend,
} from 'bullmq';

/** A worker asks again at once. Short for somebody who waits for the queue, long against the work of asking. */
const pauseMs = 500;

class PatientConnection extends PostgresConnection {
  #ready: Promise<void> | undefined;

  override waitUntilReady(): Promise<void> {
    this.#ready ??= this.#look().catch(async (error: unknown) => {
      if (!this.isClosing) await sleep(pauseMs);
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async #look(): Promise<void> {
    const client = await this.pool.connect();
    try {
      await assertSchemaCompatibility(client, this.schema);
    } finally {
      client.release();
    }
  }
}

class PatientBackend extends PostgresQueueBackend {
  override waitUntilReady(): Promise<void> {
    return this.connection.waitUntilReady();
  }
}

export const createPatientBackend: BackendFactory<PostgresQueueBackend, PostgresConnectionOptions> = (name, opts) =>
  new PatientBackend(new PatientConnection(opts.connection), name, opts);
