import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigError, defineConfig, describeConfig, loadConfig, setting } from '../../platform/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'freehold-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const spec = defineConfig({
  FREEHOLD_PORT: { schema: setting.port(), default: 8080, help: 'where the API listens' },
  FREEHOLD_DEADLINE_MS: { schema: setting.ms(1, 60_000), default: 30_000, help: 'longest request' },
  FREEHOLD_CATALOG_URL: { schema: setting.url('postgres'), secret: true, help: 'the catalog' },
  FREEHOLD_REGIONS: { schema: setting.list(), default: 'north,south', help: 'regions' },
  FREEHOLD_QUEUE_URL: { schema: setting.url('redis', 'postgres').optional(), secret: true, help: 'the queue' },
  FREEHOLD_EMBEDDED: { schema: setting.flag(), default: false, help: 'bring PostgreSQL along' },
});

const problemsOf = (env: Record<string, string>, alsoKnown: string[] = []): readonly string[] => {
  try {
    loadConfig(spec, env, { alsoKnown });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

test('values are typed, named in camel case and filled with defaults', () => {
  const config = loadConfig(spec, {
    FREEHOLD_CATALOG_URL: 'postgres://u:p@h/d',
    FREEHOLD_PORT: '0',
    FREEHOLD_EMBEDDED: 'true',
    FREEHOLD_DEADLINE_MS: '',
  });
  const port: number = config.port;
  const embedded: boolean = config.embedded;
  const queueUrl: string | undefined = config.queueUrl;
  expect({ port, embedded, queueUrl }).toEqual({ port: 0, embedded: true, queueUrl: undefined });
  expect(config).toMatchObject({ deadlineMs: 30_000, catalogUrl: 'postgres://u:p@h/d', regions: ['north', 'south'] });
});

test('every problem is reported at once', () => {
  const problems = problemsOf({
    FREEHOLD_PORT: '0x50',
    FREEHOLD_DEADLINE_MS: '90000',
    FREEHOLD_EMBEDDED: 'yes',
    FREEHOLD_DEADLINE: '5',
    FREEHOLD_PROT: '1',
  });
  expect(problems).toEqual([
    'FREEHOLD_PORT must be a whole number from 0 to 65535',
    'FREEHOLD_DEADLINE_MS must be a whole number from 1 to 60000',
    'FREEHOLD_CATALOG_URL is required: the catalog',
    'FREEHOLD_EMBEDDED must be true or false',
    'FREEHOLD_DEADLINE is not a known variable: did you mean FREEHOLD_DEADLINE_MS?',
    'FREEHOLD_PROT is not a known variable: did you mean FREEHOLD_PORT?',
  ]);
  expect(new ConfigError(problems).message).toMatch(/^The configuration has 6 problems:\n {2}- FREEHOLD_PORT/);
});

test('a secret may come from a file, trimmed; both ways at once is a problem', () => {
  const file = join(folder, 'url');
  writeFileSync(file, 'postgres://u:p@h/d\n');
  expect(loadConfig(spec, { FREEHOLD_CATALOG_URL_FILE: file }).catalogUrl).toBe('postgres://u:p@h/d');
  expect(problemsOf({ FREEHOLD_CATALOG_URL_FILE: file, FREEHOLD_CATALOG_URL: 'postgres://x/y' })).toEqual([
    'FREEHOLD_CATALOG_URL and FREEHOLD_CATALOG_URL_FILE are both set: set one of them',
  ]);
  expect(problemsOf({ FREEHOLD_CATALOG_URL_FILE: join(folder, 'absent') })).toEqual([
    expect.stringMatching(/^FREEHOLD_CATALOG_URL_FILE cannot be read: .*absent \(ENOENT\)$/),
  ]);
  writeFileSync(file, '\n');
  expect(problemsOf({ FREEHOLD_CATALOG_URL_FILE: file })).toEqual([expect.stringContaining('names an empty file')]);
});

test('a problem never repeats the value of a secret', () => {
  expect(problemsOf({ FREEHOLD_CATALOG_URL: 'mysql://u:hunter2@h/d' }).join()).not.toContain('hunter2');
});

test('variables of another process are known when it says so; a file variant of what is no secret is not', () => {
  const env = {
    FREEHOLD_CATALOG_URL: 'postgres://h/d',
    FREEHOLD_RUNTIME_ID: 'x',
    FREEHOLD_PORT_FILE: '/x',
    PATH: '/bin',
  };
  expect(problemsOf(env, ['FREEHOLD_RUNTIME_ID'])).toEqual(['FREEHOLD_PORT_FILE is not a known variable']);
});

test('the table of variables is made from the spec', () => {
  expect(describeConfig(spec).slice(0, 3)).toEqual([
    { name: 'FREEHOLD_PORT', type: 'port', default: '8080', secret: false, help: 'where the API listens' },
    {
      name: 'FREEHOLD_DEADLINE_MS',
      type: 'milliseconds 1 to 60000',
      default: '30000',
      secret: false,
      help: 'longest request',
    },
    { name: 'FREEHOLD_CATALOG_URL', type: 'URL (postgres)', default: 'required', secret: true, help: 'the catalog' },
  ]);
});
