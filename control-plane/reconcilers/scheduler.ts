// Owns when reconcilers run: each is leased by its row, so that one process of many runs it, and is due again after its
// interval, give or take a tenth. Looks every second, so a run that was asked for by the API begins within that.
import { acquireReconciler, dueReconcilers, finishReconciler } from '../../catalog/reconcilers.ts';
import { isFault } from '../../platform/errors.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

export type SchedulerDeps = ReconcilerDeps & {
  readonly reconcilers: readonly Reconciler[];
  /** Names this process in the lease. */
  readonly holder: string;
  readonly random?: () => number;
  /** For metrics. */
  readonly observe?: (run: { name: string; ok: boolean; durationMs: number }) => void;
};

export type Scheduler = {
  start(): void;
  /** Now, due or not. Undefined when another process is running it. @throws what the reconciler throws */
  runNow(name: string): Promise<Record<string, unknown> | undefined>;
  /** Waits for what is running. */
  close(): Promise<void>;
};

const lookEveryMs = 1_000;
/** A process that died in the middle holds a reconciler up for no longer than this, or three intervals. */
const leaseMinMs = 15_000;

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { catalog, log, holder, random = Math.random, observe } = deps;
  const byName = new Map(deps.reconcilers.map((reconciler) => [reconciler.name, reconciler]));
  const running = new Map<string, Promise<unknown>>();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const run = async (reconciler: Reconciler, force: boolean): Promise<Record<string, unknown> | undefined> => {
    const { name, everyMs } = reconciler;
    const leaseMs = Math.max(leaseMinMs, 3 * everyMs);
    if (!(await acquireReconciler(catalog, name, holder, leaseMs, force))) return undefined;
    const startedAtMs = performance.now();
    const nextRunMs = everyMs * (0.9 + 0.2 * random());
    try {
      const result = await reconciler.run(deps);
      await finishReconciler(catalog, name, holder, nextRunMs, { result });
      observe?.({ name, ok: true, durationMs: performance.now() - startedAtMs });
      return result;
    } catch (error) {
      observe?.({ name, ok: false, durationMs: performance.now() - startedAtMs });
      log.error({ err: error, reconciler: name }, 'reconciler failed');
      const told = {
        code: isFault(error) ? error.code : 'internal',
        message: error instanceof Error ? error.message : String(error),
      };
      await finishReconciler(catalog, name, holder, nextRunMs, { error: told });
      throw error;
    }
  };
  /** One run of each at a time in this process too: the lease is named by the process. */
  const runOnce = (reconciler: Reconciler, force: boolean) => {
    const before = running.get(reconciler.name) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(() => run(reconciler, force));
    const settled = mine
      .catch(() => {})
      .finally(() => {
        if (running.get(reconciler.name) === settled) running.delete(reconciler.name);
      });
    running.set(reconciler.name, settled);
    return mine;
  };
  const look = async (): Promise<void> => {
    try {
      const due = await dueReconcilers(catalog, [...byName.keys()]);
      for (const name of due) {
        const reconciler = byName.get(name);
        if (reconciler !== undefined && !closed && !running.has(name)) void runOnce(reconciler, false).catch(() => {});
      }
    } catch (error) {
      log.warn({ err: error }, 'the catalog could not be asked which reconcilers are due');
    }
    if (!closed) timer = setTimeout(() => void look(), lookEveryMs * (0.9 + 0.2 * random()));
  };

  return {
    start: () => void look(),
    async runNow(name) {
      const reconciler = byName.get(name);
      if (reconciler === undefined) throw new TypeError(`no reconciler is named ${name}`);
      return runOnce(reconciler, true);
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
