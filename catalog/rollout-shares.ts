// Owns how wide a rollout works, and into how many shares its work is cut: pure words that those who start, drive and work agree on.

/**
 * Databases that one worker has in hand at once; of them some third has ended and waits for the next turn. Each turn records what
 * has ended and takes as many again: with fewer hands there are more turns, which wait for each other at the row of the rollout.
 */
export const handsOfPump = 12;

export function sharesOf(concurrency: number): number {
  return Math.ceil(concurrency / handsOfPump);
}

/**
 * While somebody waits for a tenant, a rollout works at a quarter of its width: the processors of a cluster are shared by all who
 * run, so a tenant was made three times slower beside eight migrations on two cores. It never stops, whatever comes.
 */
export function politeWidth(concurrency: number): number {
  return Math.ceil(concurrency / 4);
}
