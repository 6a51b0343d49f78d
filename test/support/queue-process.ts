// A worker process of the queue alone, for what must not happen inside the test's own process: prints 'open', works once it
// is told to by a line, prints 'handled' and the id of each operation, and ends with code 70 when the queue calls it fatal.
import { createQueue } from '../../control-plane/queue/queue.ts';
import { createLog } from '../../platform/log.ts';

const url = process.argv[2] ?? '';
const queue = await createQueue({
  url,
  log: createLog({ name: 'queue-process', level: 'silent' }),
  onFatal: (error) => {
    process.stderr.write(`${error.constructor.name}\n`);
    process.exit(70);
  },
});
process.stdout.write('open\n');
process.stdin.once('data', () => {
  queue.work('foreground', 1, async (id) => void process.stdout.write(`handled ${id}\n`));
  process.stdout.write('working\n');
});
