// Owns the notion of time, so that tests can drive it. Wall time is for records; monotonic time is for durations.

export interface Clock {
  /** Wall-clock time. */
  now(): Date;
  /** Milliseconds that never run backwards; only differences mean anything. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};
