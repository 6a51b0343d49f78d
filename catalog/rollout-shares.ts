// Owns into how many shares a rollout's work is cut: a pure word that those who start, drive and work agree on.

/**
 * Databases that one worker has in hand at once; of them some third has ended and waits for the next turn. Each turn records what
 * has ended and takes as many again: with fewer hands there are more turns, which wait for each other at the row of the rollout.
 */
export const handsOfPump = 12;

export function sharesOf(concurrency: number): number {
  return Math.ceil(concurrency / handsOfPump);
}
