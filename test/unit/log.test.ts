import { expect, test } from 'vitest';
import { edgeFault } from '../../platform/edge-faults.ts';
import { createLog, type Log, withLogContext } from '../../platform/log.ts';

function capture(): { log: Log; lines: () => Record<string, unknown>[]; text: () => string } {
  const written: string[] = [];
  const log = createLog({
    name: 'test',
    level: 'trace',
    destination: { write: (line: string) => void written.push(line) },
  });
  return {
    log,
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
    text: () => written.join(''),
  };
}

const jwt = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJlLWNhbmFyeQ';
const canary = 'canary-5e2f';

test('A08 secrets in all kinds of places never reach the log', () => {
  const { log, lines, text } = capture();
  const at: ((log: Log) => void)[] = [
    (l) => l.info({ password: canary }, 'm'),
    (l) => l.info({ a: { b: { c: [{ adminPassword: canary }] } } }, 'm'),
    (l) =>
      l.info(
        {
          headers: { Authorization: canary, cookie: [canary], 'Neon-Connection-String': canary, 'set-cookie': canary },
        },
        'm',
      ),
    (l) => l.info({ headers: new Headers({ authorization: canary }) }, 'm'),
    (l) => l.info({ map: new Map([['token', canary]]), set: new Set([{ secret: canary }]) }, 'm'),
    (l) =>
      l.info(
        { secret: { nested: canary }, api_key: canary, sealed: canary, private_key: canary, credentials: [canary] },
        'm',
      ),
    (l) => l.info({ bytes: Buffer.from(canary) }, 'm'),
    (l) => l.info({ item: { toJSON: () => ({ password: canary }) } }, 'm'),
    (l) => l.info(`connect to postgres://app:${canary}@host:5432/db failed`),
    (l) => l.info({ url: `redis://:${canary}@queue:6379` }, 'm'),
    (l) => l.info('%s and %o', `password=${canary}`, { password: canary }),
    (l) => l.info(`ALTER ROLE x PASSWORD '${canary}'`),
    (l) => l.info(`authorization: Bearer ${canary}`),
    (l) => l.info(`body was {"password":"${canary}"}`),
    (l) => l.info(`sealed v1.k1.${'A'.repeat(80)}.${canary}`),
    (l) => l.info(`rolpassword SCRAM-SHA-256$4096:${canary}`),
    (l) => l.info(jwt),
    (l) => l.error(new Error(`bad token ${jwt}`)),
    (l) =>
      l.error({
        err: Object.assign(new Error('x'), { password: canary, parameters: [canary], config: { token: canary } }),
      }),
    (l) =>
      l.error({
        err: new Error('outer', { cause: new Error(`inner postgres://u:${canary}@h`, { cause: { secret: canary } }) }),
      }),
    (l) => l.error({ err: new AggregateError([Object.assign(new Error('one'), { password: canary })], 'many') }),
    (l) => l.error({ failure: Object.assign(new Error('not under err'), { secret: canary }) }),
    (l) =>
      l.error({
        err: edgeFault('internal', 'public', { internal: `at postgres://u:${canary}@h/d`, extra: { token: canary } }),
      }),
    (l) => l.child({ password: canary, deep: { token: canary } }).info('m'),
    (l) => l.child({ ok: 1 }).child({ secret: canary }).info('m'),
    (l) => withLogContext({ token: canary, request_id: 'r1' }, () => l.info('m')),
    (l) => l.info(`-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`),
  ];
  for (const write of at) write(log);
  expect(lines()).toHaveLength(at.length);
  lines().forEach((line, i) => {
    expect(JSON.stringify(line), `place ${i}`).not.toContain(canary);
  });
  expect(text()).not.toContain('c2lnbmF0dXJl');
  expect(text()).toContain('postgres://app:[redacted]@host:5432/db failed');
});

test('a fault is logged with its code, both messages and its causes', () => {
  const { log, lines } = capture();
  log.error(
    { err: edgeFault('internal', 'public text', { internal: 'host h1', cause: new TypeError('root') }) },
    'request failed',
  );
  expect(lines()[0]).toMatchObject({
    level: 'error',
    msg: 'request failed',
    err: {
      type: 'Fault',
      code: 'internal',
      message: 'public text',
      internal: 'host h1',
      cause: { type: 'TypeError', message: 'root' },
    },
  });
});

test('ids of the context stand on every line inside it, also after waiting, and contexts nest', async () => {
  const { log, lines } = capture();
  await Promise.all([
    withLogContext({ request_id: 'r1' }, async () => {
      await new Promise(setImmediate);
      withLogContext({ operation_id: 'o1' }, () => log.info('one'));
    }),
    withLogContext({ request_id: 'r2' }, async () => {
      await new Promise(setImmediate);
      log.info('two');
    }),
  ]);
  log.info('three');
  const byText = Object.fromEntries(lines().map((line) => [line.msg, [line.request_id, line.operation_id]]));
  expect(byText).toEqual({ one: ['r1', 'o1'], two: ['r2', undefined], three: [undefined, undefined] });
});

test('what only looks like a secret name stays', () => {
  const { log, lines } = capture();
  log.info({ tenant_id: 'tnt_1', tokenizer: 'x', key: 'k', passwords_changed_at: 'now' }, 'Bearer of news');
  expect(lines()[0]).toMatchObject({
    tenant_id: 'tnt_1',
    tokenizer: 'x',
    key: 'k',
    passwords_changed_at: 'now',
    msg: 'Bearer of news',
  });
});
