// Owns `freehold fleet query`: one reading statement on every selected tenant, as a table, CSV, JSON, JSON lines, or added up.
// A partial answer says so: who did not answer, and why, on stderr, and exit code 1.
import { type Command, Option } from 'commander';
import type { FleetQueryLine } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { createSum, type ExactSum, isNumeric } from '../exact-sum.ts';
import { exitCodes } from '../exit-codes.ts';
import { printable } from '../paint.ts';
import { durationMs, durationText, wholeNumber } from '../parse-options.ts';
import { addSelectionOptions, type SelectionFlags, selectionOf } from '../selection-options.ts';
import { renderTable } from '../table.ts';

type Flags = SelectionFlags & {
  csv?: boolean;
  jsonl?: boolean;
  sum?: boolean;
  groupBy?: 'tenant' | 'cluster';
  limit: number;
  timeout: number;
  concurrency: number;
};
type Answer = Extract<FleetQueryLine, { type: 'answer' }>;
type Unanswered = Extract<FleetQueryLine, { type: 'unanswered' }>;
type Summary = Extract<FleetQueryLine, { type: 'summary' }>;

export function addFleetQuery(fleet: Command, io: Io): void {
  const command = fleet
    .command('query')
    .summary('read from every selected tenant')
    .description(
      'Runs one SELECT, VALUES, SHOW or EXPLAIN in the database of every selected tenant, as its read-only login. It reads the\ndata of tenants, and is written to the audit. Exit code 1 when not every tenant has answered.',
    )
    .argument('<statement>', 'in quotes');
  addSelectionOptions(command)
    .addOption(new Option('--csv', 'CSV with a header, tenant and cluster first').conflicts(['jsonl', 'json']))
    .addOption(new Option('--jsonl', 'one JSON document a row, as they come').conflicts('json'))
    .addOption(new Option('--sum', 'add up the numeric columns of all rows, exactly'))
    .addOption(new Option('--group-by <what>', 'with sums for each').choices(['tenant', 'cluster']))
    .addOption(
      new Option('--limit <n>', 'rows of each tenant at most').default(1_000).argParser(wholeNumber(1, 100_000)),
    )
    .addOption(new Option('--timeout <duration>', 'for each tenant').default(10_000, '10s').argParser(durationMs))
    .addOption(
      new Option('--concurrency <n>', 'tenants at once on each cluster').default(4).argParser(wholeNumber(1, 32)),
    )
    .action(action(io, query));
}

async function query(cli: Cli, statement: string, flags: Flags): Promise<void> {
  const { limit, timeout, concurrency, sum, groupBy } = flags;
  const client = await cli.client();
  const request = { statement, selection: selectionOf(flags), timeout_ms: timeout, row_limit: limit, concurrency };
  const reducing = sum === true || groupBy !== undefined;
  const sums = createSums(groupBy);
  const answers: Answer[] = [];
  const unanswered: Unanswered[] = [];
  let summary: Summary | undefined;
  for await (const line of client.fleet.query(request)) {
    if (line.type === 'unanswered') unanswered.push(line);
    else if (line.type === 'summary') summary = line;
    else if (line.type !== 'answer') continue;
    else if (reducing) sums.add(line);
    else if (flags.jsonl === true) for (const row of documentsOf(line)) cli.print(`${JSON.stringify(row)}\n`);
    else answers.push(line);
  }
  if (unanswered.length > 0) cli.io.exitCode = exitCodes.failed;
  const table = reducing ? sums.table() : tableOf(answers);
  if (cli.json) {
    const rows = reducing ? sums.documents() : answers.flatMap(documentsOf);
    cli.showDocument({ rows, unanswered: unanswered.map(({ type: _, ...line }) => line), summary });
  } else if (flags.jsonl === true) {
    if (reducing) for (const row of sums.documents()) cli.print(`${JSON.stringify(row)}\n`);
  } else if (flags.csv === true) cli.print(csvOf([table.titles, ...table.rows]));
  else if (table.rows.length > 0) cli.print(textTable(cli, table));
  if (!cli.json) tellRest(cli, unanswered, summary);
}

type Table = { titles: string[]; rows: (string | null)[][] };

/** Tenants may stand at different versions: a column that only some have is empty for the others. */
function tableOf(answers: readonly Answer[]): Table {
  const names = [...new Set(answers.flatMap(({ columns }) => unique(columns)))];
  const rows = answers.flatMap(({ slug, cluster, columns, rows }) => {
    const places = new Map(unique(columns).map((name, i) => [name, i]));
    return rows.map((row) => [slug, cluster, ...names.map((name) => row[places.get(name) ?? -1] ?? null)]);
  });
  return { titles: ['tenant', 'cluster', ...names], rows };
}

/** `select 1, 2` has two columns of one name. */
function unique(columns: Answer['columns']): string[] {
  const seen = new Map<string, number>();
  return columns.map(({ name }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name}_${count}`;
  });
}

function documentsOf({ slug, tenant_id, cluster, columns, rows }: Answer): object[] {
  const names = unique(columns);
  return rows.map((row) => ({
    tenant: slug,
    tenant_id,
    cluster,
    row: Object.fromEntries(row.map((value, i) => [names[i], jsonValue(value, columns[i]?.type ?? '')])),
  }));
}

/** bigint and numeric stay text: JSON's readers would round them. */
function jsonValue(value: string | null, type: string): unknown {
  if (value === null) return null;
  if (type === 'boolean') return value === 't';
  if (type === 'integer' || type === 'smallint') return Number(value);
  return type === 'json' || type === 'jsonb' ? JSON.parse(value) : value;
}

function createSums(groupBy: Flags['groupBy']) {
  const groups = new Map<string, { rows: number; sums: Map<string, ExactSum> }>();
  const titleOf = groupBy ?? 'all';
  return {
    add({ slug, cluster, columns, rows }: Answer): void {
      const key = groupBy === 'tenant' ? slug : groupBy === 'cluster' ? cluster : 'total';
      const group = groups.get(key) ?? { rows: 0, sums: new Map() };
      groups.set(key, group);
      group.rows += rows.length;
      for (const [i, name] of unique(columns).entries()) {
        if (!isNumeric(columns[i]?.type ?? '')) continue;
        const sum = group.sums.get(name) ?? createSum();
        group.sums.set(name, sum);
        for (const row of rows) if (row[i] !== null) sum.add(row[i] as string);
      }
    },
    table(): Table {
      const names = [...new Set([...groups.values()].flatMap(({ sums }) => [...sums.keys()]))];
      const rows = [...groups]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, { rows, sums }]) => [key, String(rows), ...names.map((name) => sums.get(name)?.text() ?? null)]);
      return { titles: [titleOf, 'rows', ...names], rows };
    },
    documents: (): object[] =>
      [...groups].map(([key, { rows, sums }]) => ({
        [titleOf]: key,
        rows,
        sums: Object.fromEntries([...sums].map(([name, sum]) => [name, sum.text()])),
      })),
  };
}

/** RFC 4180, with NULL as nothing and an empty text as "". */
function csvOf(rows: readonly (readonly (string | null)[])[]): string {
  const cell = (value: string | null) =>
    value === null ? '' : value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

function textTable(cli: Cli, { titles, rows }: Table): string {
  const columns = titles.map((title, i) => ({
    title: title.toUpperCase(),
    cell: (row: (string | null)[]) => row[i],
    shrinks: i > 0,
  }));
  return renderTable(rows, columns, {
    paint: cli.paintOut,
    width: cli.io.stdout.isTTY ? cli.io.stdout.columns : undefined,
  });
}

function tellRest(cli: Cli, unanswered: readonly Unanswered[], summary: Summary | undefined): void {
  for (const { slug, cluster, code, message } of unanswered)
    cli.note(
      `${cli.paintErr('red', '✗')} ${printable(slug)} (${printable(cluster)}): ${printable(message)} [${printable(code)}]`,
    );
  if (summary === undefined) return;
  const { databases, answered, truncated, rows, duration_ms } = summary;
  const cut = truncated === 0 ? '' : `; ${truncated} had more rows than --limit`;
  cli.note(`${answered} of ${databases} tenants answered, ${rows} rows in ${durationText(duration_ms)}${cut}.`);
}
