// Owns the part of BullMQ that Freehold uses, as types that both of its backends fit.

/** Ids and nothing else: what is lost here is found in the catalog. */
export type JobData = { operationId: string } | { rolloutId: string; share: number; again: boolean };

export type Job = { data: JobData };

export type JobOptions = { delay?: number; jobId?: string; removeOnComplete: boolean; removeOnFail: boolean };

export type AddedJob = { remove(): Promise<unknown> };

export type Queue = {
  add(name: string, data: JobData, options: JobOptions): Promise<AddedJob>;
  getJobCounts(...types: ('waiting' | 'active' | 'delayed' | 'prioritized')[]): Promise<Record<string, number>>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
};

export type Worker = {
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
};

export type QueueBackend = {
  openQueue(name: string): Queue;
  openWorker(name: string, concurrency: number, handle: (job: Job) => Promise<void>): Worker;
  /** @throws Fault queue_unavailable | queue_unsafe */
  check(): Promise<void>;
  /** After its queues and workers. */
  close(): Promise<void>;
};

/**
 * How long a job may go without a sign of life before it is given to another worker. Early is cheap: the second worker finds
 * the lease of the operation taken. A job that stalls twice is dropped by BullMQ and found by stuck-operations (P03).
 */
export const lockDurationMs = 10_000;
export const stalledIntervalMs = 5_000;
