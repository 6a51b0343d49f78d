// Each case runs a real process, because what counts is its exit code and its order of closing.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';

type Run = {
  child: ChildProcessByStdio<null, Readable, Readable>;
  out: () => string;
  err: () => string;
  exit: Promise<number | string | null>;
};

/** Runs a composition root; `say` prints a word, which the tests wait for. */
function start(body: string, graceMs = 5_000): Run {
  const code = `
    import { ConfigError } from './platform/config.ts';
    import { edgeFault } from './platform/edge-faults.ts';
    import { createLifecycle } from './platform/lifecycle.ts';
    import { createLog } from './platform/log.ts';
    const say = (word) => process.stdout.write(word + ' ');
    const forever = setInterval(() => {}, 1000);
    const life = createLifecycle({ log: createLog({ name: 'p', level: 'silent' }), graceMs: ${graceMs} });
    const thing = (name, close = () => {}) => life.add(name, () => say('+' + name), async () => { await close(); say('-' + name); });
    await life.run(async () => { ${body} });`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', code], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const exit = new Promise<number | string | null>((resolve) =>
    child.on('close', (status, signal) => resolve(status ?? signal)),
  );
  return { child, out: () => out.trim(), err: () => err.trim(), exit };
}

const ready = (run: Run) => waitUntil(() => run.out().includes('ready'), { what: 'the process to be ready' });

test.each(['SIGTERM', 'SIGINT'] as const)('R10 %s closes in reverse order and ends with 0', async (signal) => {
  const run = start(
    `await thing('a'); await thing('b'); life.stopping.addEventListener('abort', () => say('unready')); say('ready');`,
  );
  await ready(run);
  run.child.kill(signal);
  expect(await run.exit).toBe(0);
  expect(run.out()).toBe('+a +b ready unready -b -a');
});

test('R10 a second signal ends the process at once with 1', async () => {
  const run = start(`await thing('a', () => { say('closing'); return new Promise(() => {}); }); say('ready');`, 60_000);
  await ready(run);
  run.child.kill('SIGTERM');
  await waitUntil(() => run.out().includes('closing'), { what: 'the close to begin' });
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(1);
});

test('R10 what does not close within the grace is left, exit code 1', async () => {
  const run = start(`await thing('a', () => new Promise(() => {})); say('ready');`, 100);
  await ready(run);
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(1);
});

test('a failure while closing does not keep the others open, exit code 1', async () => {
  const run = start(`await thing('a'); await thing('b', () => { throw new Error('no'); }); say('ready');`);
  await ready(run);
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(1);
  expect(run.out()).toBe('+a +b ready -a');
});

test('a failed start closes what was started and prints the problem once', async () => {
  const run = start(
    `await thing('a'); await thing('b'); await life.add('c', () => { throw edgeFault('port_in_use', 'Port 80 is in use.'); });`,
  );
  expect(await run.exit).toBe(1);
  expect(run.out()).toBe('+a +b -b -a');
  expect(run.err()).toBe('Port 80 is in use. (port_in_use)');
});

test('a configuration that cannot be used ends with 2 and the whole list', async () => {
  const run = start(`throw new ConfigError(['X is required', 'Y is wrong']);`);
  expect(await run.exit).toBe(2);
  expect(run.err()).toBe('The configuration has 2 problems:\n  - X is required\n  - Y is wrong');
});

test('R10 a signal while something starts waits for it and closes it too', async () => {
  const run = start(
    `await thing('a'); await life.add('slow', async () => { say('ready'); await new Promise((r) => setTimeout(r, 300)); say('+slow'); }, () => say('-slow')); await thing('never');`,
  );
  await ready(run);
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
  expect(run.out()).toBe('+a ready +slow -slow -a');
});

test('an uncaught error closes everything and ends with 1', async () => {
  const run = start(`await thing('a'); setTimeout(() => { throw new Error('lost'); }, 1); `);
  expect(await run.exit).toBe(1);
  expect(run.out()).toBe('+a -a');
});
