// Owns doing one thing for each of many, so many at once: what a rival's own loop would be.

/** @throws the first failure; what is under way then is not waited for */
export async function eachAtOnce<T>(
  items: readonly T[],
  concurrency: number,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = items.values();
  const hand = async () => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: concurrency }, hand));
}
