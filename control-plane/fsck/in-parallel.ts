// Owns doing the same with many things, some at a time.

/** The first error rejects, and nothing new is begun after it. */
export async function inParallel<T>(
  items: readonly T[],
  atATime: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      try {
        await act(items[next++] as T);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
}
