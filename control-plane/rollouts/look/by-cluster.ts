// Owns looking at many databases at once, so many at a time on each cluster, with the answers handed out as they come. A cluster
// that is slow or gone holds up nobody else's tenants; a reader that is slow holds up everybody, so that nothing piles up.

/** `act` does not throw. Ends early, with what was begun, when the signal is aborted or the reader stops. */
export async function* byCluster<T extends { clusterId: string }, R>(
  items: readonly T[],
  atATime: number,
  act: (item: T) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R> {
  const ready: R[] = [];
  let changed = Promise.withResolvers<void>();
  const tell = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  let [open, stopped] = [0, false];
  const work = async (queue: T[]) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      while (ready.length >= readyMax && !stopped) await changed.promise;
      if (stopped || signal?.aborted === true) break;
      ready.push(await act(item));
      tell();
    }
    open -= 1;
    tell();
  };
  const workers: Promise<void>[] = [];
  for (const queue of Map.groupBy(items, (item) => item.clusterId).values()) {
    open += Math.min(atATime, queue.length);
    workers.push(...Array.from({ length: Math.min(atATime, queue.length) }, () => work(queue)));
  }
  try {
    for (;;) {
      const next = changed.promise;
      while (ready.length > 0) {
        const answer = ready.shift() as R;
        tell();
        yield answer;
      }
      if (open === 0 && ready.length === 0) return;
      if (changed.promise === next) await next;
    }
  } finally {
    stopped = true;
    tell();
    await Promise.all(workers);
  }
}

const readyMax = 64;
