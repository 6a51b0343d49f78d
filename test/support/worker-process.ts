// A worker process that a test stops and kills: runs one operation with the real engine, waits at a named moment until it is
// told to go on, and prints one JSON line for each thing that happens.
import { catalogFault } from '../../catalog/errors.ts';
import type { OperationId } from '../../catalog/ids.ts';
import type { StepMoment } from '../../control-plane/operations/engine/engine-deps.ts';
import { runOperation } from '../../control-plane/operations/engine/run-operation.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { openEngine } from './installation.ts';

export type Moment = Pick<StepMoment, 'step' | 'direction' | 'moment'>;
export type WorkerOrder = { operationId: OperationId; leaseMs: number; stopAt: Moment; failAt?: Moment | undefined };
export type WorkerNews = { stopped: true } | { outcome: string } | { ready: true };

export function isAt(here: Moment, there: Moment | undefined): boolean {
  return here.step === there?.step && here.direction === there.direction && here.moment === there.moment;
}

if (process.argv[1] === import.meta.filename) {
  const { deps, connections, catalog } = await openEngine(
    JSON.parse(process.argv[2] ?? '') as PostgresAddress,
    'child',
  );
  const tell = (news: WorkerNews) => process.stdout.write(`${JSON.stringify(news)}\n`);
  const lines: ((line: string) => void)[] = [];
  process.stdin.setEncoding('utf8').on('data', (line: string) => lines.shift()?.(line));
  const nextLine = () => new Promise<string>((resolve) => lines.push(resolve));
  await deps.catalog.selectFrom('plans').select('id').execute(); // connected before it is ready
  const ordered = nextLine();
  tell({ ready: true });
  const { operationId, leaseMs, stopAt, failAt } = JSON.parse(await ordered) as WorkerOrder;
  const observe = async (moment: StepMoment) => {
    if (isAt(moment, stopAt)) {
      const goOn = nextLine();
      tell({ stopped: true });
      await goOn;
    }
    if (isAt(moment, failAt)) throw catalogFault('database_incomplete', 'made by the test');
  };
  const { outcome } = await runOperation({ ...deps, leaseMs, observe, wake: async () => {} }, operationId);
  tell({ outcome });
  await connections.close();
  await catalog.close();
  process.stdin.destroy();
}
