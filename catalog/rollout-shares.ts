// Owns into how many shares a rollout's work is cut: a pure word that those who start, drive and work agree on.

/** Databases that one worker has in hand at once. */
export const handsOfPump = 4;

export function sharesOf(concurrency: number): number {
  return Math.ceil(concurrency / handsOfPump);
}
