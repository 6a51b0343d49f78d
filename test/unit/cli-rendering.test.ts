// What the command line writes, without a process: tables, steps, problems, and which key is sent where.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliError } from '../../control-plane/cli/cli-error.ts';
import { completionScript, completionTable } from '../../control-plane/cli/commands/completion.ts';
import { exitCodeOfStatus } from '../../control-plane/cli/exit-codes.ts';
import { helpPages } from '../../control-plane/cli/help-pages.ts';
import { cutToWidth, displayWidth } from '../../control-plane/cli/paint.ts';
import { durationMs, durationText, labelPairs } from '../../control-plane/cli/parse-options.ts';
import { tellError } from '../../control-plane/cli/problem-text.ts';
import { findTarget } from '../../control-plane/cli/profile.ts';
import { createProgram } from '../../control-plane/cli/program.ts';
import { createPlainDisplay, renderSteps } from '../../control-plane/cli/steps-display.ts';
import { renderTable } from '../../control-plane/cli/table.ts';
import { ApiProblem, type OperationWithSteps } from '../../control-plane/client.ts';

const plain = (_format: unknown, text: string) => text;

describe('tables', () => {
  type Row = { id: string; name: string; count: number | null };
  const columns = [
    { title: 'NAME', cell: (row: Row) => row.name, shrinks: true },
    { title: 'COUNT', cell: (row: Row) => row.count, align: 'right' as const },
    { title: 'ID', cell: (row: Row) => row.id },
  ];
  const rows: Row[] = [
    { id: 'tnt_1', name: 'Acme', count: 7 },
    { id: 'tnt_22', name: '東京商会', count: 1234 },
    { id: 'tnt_3', name: '', count: null },
  ];

  test('columns are aligned, also under wide characters, and nothing is a dash', () => {
    expect(renderTable(rows, columns, { paint: plain, width: undefined })).toBe(
      ['NAME      COUNT  ID', 'Acme          7  tnt_1', '東京商会   1234  tnt_22', '-             -  tnt_3', ''].join(
        '\n',
      ),
    );
  });

  test('on a narrow terminal only what may shrink is cut, and no line is wider than the terminal', () => {
    const long = [{ id: 'tnt_01KAN3W2V8', name: 'a very long name of a customer', count: 1 }];
    const text = renderTable(long, columns, { paint: plain, width: 40 });
    expect(text).toContain('a very long name…');
    expect(text).toContain('tnt_01KAN3W2V8');
    for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(40);
    expect(renderTable(long, columns, { paint: plain, width: undefined })).toContain('a very long name of a customer');
  });

  test('a name cannot move the cursor, rewrite a line or turn its direction', () => {
    const evil = [{ id: 'tnt_1', name: 'a\x1b[2J\r\nb\u202Ec', count: 1 }];
    const text = renderTable(evil, columns, { paint: plain, width: undefined });
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toContain('a\uFFFD[2J\uFFFD\uFFFDb\uFFFDc');
  });

  test('a cut never splits a character', () => {
    expect(cutToWidth('東京商会', 5)).toBe('東京…');
    expect(cutToWidth('👩‍👩‍👧 family', 4)).toBe('👩‍👩‍👧 …');
  });
});

describe('steps', () => {
  const at = (ms: number) => new Date(Date.UTC(2026, 10, 22) + ms).toISOString();
  const step = (name: string, state: 'intended' | 'done' | 'undone', more: object = {}) => ({
    name,
    state,
    attempts: 1,
    started_at: at(0),
    finished_at: state === 'intended' ? null : at(12),
    error: null,
    ...more,
  });
  const error = { code: 'cluster_unreachable', message: 'The cluster does not answer.', retryable: true };
  const operation = (more: Partial<OperationWithSteps>): OperationWithSteps => ({
    id: 'opr_1',
    kind: 'provision-tenant',
    state: 'running',
    tenant_id: 'tnt_1',
    database_id: null,
    lane: 'foreground',
    steps_done: 1,
    steps_total: 5,
    cancel_requested: false,
    attempt: 0,
    next_attempt_at: at(0),
    error: null,
    actor: 'key_1',
    request_id: null,
    created_at: at(0),
    started_at: at(0),
    finished_at: null,
    steps: [],
    ...more,
  });
  const look = { paint: plain, spinner: '*', width: 60, sinceMs: () => 1_500 };

  test('done, under way and still to come', () => {
    const running = operation({ steps: [step('choose-database', 'done'), step('make-roles', 'intended')] });
    expect(renderSteps(running, look)).toEqual([
      '  ✓ choose-database     12 ms',
      '  * make-roles          1.5 s',
      '    3 more steps',
    ]);
  });

  test('a failed attempt is told in the line, and no line is wider than the terminal', () => {
    const failing = operation({ steps: [step('make-roles', 'intended', { attempts: 3, error })] });
    const lines = renderSteps(failing, look);
    expect(lines[0]).toContain('attempt 3 failed: The cluster');
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(60);
  });

  test('undone steps and the one that failed for good', () => {
    const failed = operation({
      state: 'failed',
      finished_at: at(90),
      steps: [step('choose-database', 'undone'), step('make-roles', 'intended', { error })],
    });
    const lines = renderSteps(failed, look);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('↺ choose-database');
    expect(lines[1]).toContain('✗ make-roles');
  });

  test('without a terminal each thing is told once', () => {
    const said: string[] = [];
    const display = createPlainDisplay((line) => said.push(line));
    display.update(operation({ steps: [step('choose-database', 'intended')] }));
    display.update(operation({ steps: [step('choose-database', 'done'), step('make-roles', 'intended', { error })] }));
    display.update(operation({ steps: [step('choose-database', 'done'), step('make-roles', 'done')] }));
    expect(said).toEqual([
      'choose-database: done in 12 ms',
      'make-roles: attempt 1 failed: The cluster does not answer.',
      'make-roles: done in 12 ms',
    ]);
  });
});

describe('what went wrong', () => {
  const problem = (more: object) =>
    new ApiProblem({
      type: '/docs/errors#x',
      title: 'The slug is taken',
      status: 409,
      code: 'slug_taken',
      detail: 'Choose another slug.',
      request_id: 'req_1',
      ...more,
    });
  const options = { paint: plain, json: false, url: 'http://127.0.0.1:7700' };

  test('a problem: title, detail, places, code, request id, next step', () => {
    const errors = [{ pointer: '/slug', message: 'is too short' }];
    expect(tellError(problem({ errors }), options)).toEqual({
      exitCode: 1,
      text: [
        '✗ The slug is taken',
        '  Choose another slug.',
        '  /slug is too short',
        '  code        slug_taken',
        '  request id  req_1',
        '  → http://127.0.0.1:7700/docs/errors#slug_taken',
        '',
      ].join('\n'),
    });
  });

  test('an operation in the way is named as a command', () => {
    const { text } = tellError(problem({ status: 423, operation_id: 'opr_9' }), options);
    expect(text).toContain('→ freehold operations watch opr_9');
  });

  test('with --json the document, on one line', () => {
    const { text } = tellError(problem({ operation_id: 'opr_9' }), { ...options, json: true });
    expect(text.trimEnd()).not.toContain('\n');
    expect(JSON.parse(text)).toEqual({
      title: 'The slug is taken',
      status: 409,
      code: 'slug_taken',
      detail: 'Choose another slug.',
      request_id: 'req_1',
      operation_id: 'opr_9',
    });
  });

  test.each([
    [400, 2],
    [401, 2],
    [403, 1],
    [404, 4],
    [409, 1],
    [422, 2],
    [503, 1],
  ])('status %i is exit code %i', (status, code) => {
    expect(exitCodeOfStatus(status)).toBe(code);
  });
});

describe('which server and which key', () => {
  let folder: string;
  const profileAt = (name: string, url: string, key: string) => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ url, api_key: key }));
    return file;
  };
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-cli-'));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test('flags, then a named profile, then the environment, then the clone, then the home folder', () => {
    const home = profileAt('home/.config/freehold/profile.json', 'http://home', 'fhk_home');
    const env = { HOME: path.join(folder, 'home') };
    const root = path.join(folder, 'clone');
    expect(findTarget({}, env, root)).toMatchObject({ url: 'http://home', apiKey: 'fhk_home', from: home });
    profileAt('clone/data/profile.json', 'http://clone', 'fhk_clone');
    expect(findTarget({}, env, root)).toMatchObject({ url: 'http://clone', apiKey: 'fhk_clone' });
    const full = { ...env, FREEHOLD_URL: 'http://env', FREEHOLD_API_KEY: 'fhk_env' };
    expect(findTarget({}, full, root)).toMatchObject({ url: 'http://env', apiKey: 'fhk_env' });
    const named = profileAt('named.json', 'http://named', 'fhk_named');
    expect(findTarget({ profile: named }, full, root)).toMatchObject({ url: 'http://named', apiKey: 'fhk_named' });
    const flags = { url: 'http://flag/', apiKey: 'fhk_flag' };
    expect(findTarget({ ...flags, profile: named }, full, root)).toMatchObject({
      url: 'http://flag',
      apiKey: 'fhk_flag',
    });
  });

  test('a key of a profile is never sent to another server', () => {
    const profile = profileAt('one.json', 'http://one:7700', 'fhk_one');
    expect(findTarget({ profile, url: 'http://one:7700' }, {}).apiKey).toBe('fhk_one');
    expect(() => findTarget({ profile, url: 'http://two:7700' }, {})).toThrow(
      'There is no API key for http://two:7700',
    );
  });

  test('a key from a file; both at once are refused', () => {
    const file = path.join(folder, 'key');
    fs.writeFileSync(file, 'fhk_file\n');
    const env = { FREEHOLD_URL: 'http://x', FREEHOLD_API_KEY_FILE: file };
    expect(findTarget({}, env).apiKey).toBe('fhk_file');
    expect(() => findTarget({}, { ...env, FREEHOLD_API_KEY: 'fhk_x' })).toThrow('both set');
  });

  test('nothing found names every place and the next step', () => {
    const env = { HOME: path.join(folder, 'nobody') };
    const error = thrown(() => findTarget({}, env, path.join(folder, 'nothing')));
    expect(error).toMatchObject({ message: 'No server and no API key are configured.', exitCode: 2 });
    expect(error.next.join(' ')).toMatch(/npm start.*FREEHOLD_URL.*nothing\/data\/profile\.json.*nobody/);
  });

  test('a URL that is none is not repeated, for it may hold a password', () => {
    const error = thrown(() => findTarget({ url: 'postgres://u:secret@h/d', apiKey: 'fhk_x' }, {}));
    expect(`${error.message} ${error.next.join(' ')}`).not.toContain('secret');
    expect(error.next.join(' ')).toContain('--superuser-url');
  });

  function thrown(run: () => unknown): CliError {
    try {
      run();
    } catch (error) {
      if (error instanceof CliError) return error;
    }
    throw new Error('a CliError was expected');
  }
});

describe('what people write', () => {
  test.each([
    ['500ms', 500],
    ['60', 60_000],
    ['10m', 600_000],
    ['90d', 7_776_000_000],
  ])('%s is %i ms', (text, ms) => expect(durationMs(text)).toBe(ms));

  test.each(['', '-1s', '1.5h', '10 m', 'soon'])('%j is no duration', (text) => {
    expect(() => durationMs(text)).toThrow('Write a duration');
  });

  test('durations of every size', () => {
    expect([12.4, 1_449, 59_999, 125_000].map(durationText)).toEqual(['12 ms', '1.4 s', '60.0 s', '2 min 5 s']);
  });

  test('labels add up', () => {
    expect(labelPairs('b=2=3', labelPairs('a=1'))).toEqual({ a: '1', b: '2=3' });
    expect(() => labelPairs('=x')).toThrow('name=value');
  });
});

describe('made of the command tree', () => {
  const { stdin, stdout, stderr } = process;
  const program = createProgram({ stdin, stdout, stderr, env: {}, farewell: undefined, exitCode: 0 });

  test('every command has a summary and a description', () => {
    const silent = completionTable(program).map(({ at }) => at);
    expect(silent).toContain('tenants create');
    for (const noun of program.commands) {
      for (const command of [noun, ...noun.commands]) {
        expect([command.name(), command.summary() !== '', command.description() !== '']).toEqual([
          command.name(),
          true,
          true,
        ]);
      }
    }
  });

  test('the help page has every command, no colour and no line wider than 100', () => {
    const page = helpPages();
    for (const { at } of completionTable(program)) expect(page).toContain(`freehold ${at}`.trim());
    expect(page).not.toContain('\x1b');
    expect(helpPages()).toBe(page);
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test.each(['bash', 'zsh', 'fish'] as const)('the completion of %s knows nouns, verbs and options', (shell) => {
    const script = completionScript(program, shell);
    for (const word of ['tenants', 'suspend', '--idempotency-key', '--json']) expect(script).toContain(word);
  });
});
