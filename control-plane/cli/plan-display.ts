// Owns how the plan of a rollout looks on a terminal: what, whom, in which waves, and what stands against it.
import type { RolloutPlanView } from '../client.ts';
import type { Paint } from './paint.ts';
import { printable } from './paint.ts';
import { durationText } from './parse-options.ts';
import { type Column, renderTable } from './table.ts';
import { windowText } from './window-text.ts';

type Wave = RolloutPlanView['waves'][number];
type Cluster = RolloutPlanView['clusters'][number];

export function renderPlan(plan: RolloutPlanView, paint: Paint, width: number | undefined): string {
  const { kind, lane, release, databases, tenants, already_there, closed, estimate, refusals, warnings } = plan;
  const to = release === null ? '' : ` to ${printable(release.name)} (${release.version})`;
  const left = [`${already_there} there already`, ...(closed > 0 ? [`${closed} closed`] : [])].join(', ');
  const blocks = [
    `${paint('bold', `${kind} ${lane}${to}`)}\n${databases} databases, ${tenants} of them of tenants; ${left}\n`,
  ];
  if (plan.clusters.length > 0) blocks.push(renderTable(plan.clusters, clusterColumns, { paint, width }));
  if (plan.waves.length > 0) blocks.push(renderTable(plan.waves, waveColumns, { paint, width }));
  if (plan.files.length > 0) blocks.push(plan.files.map((file) => fileText(file, paint)).join(''));
  const findings = plan.findings.map(({ rule, severity, message, file, line }) => ({
    sign: severity === 'error' ? paint('red', '✗') : paint('yellow', '!'),
    text: `${file}${line === null ? '' : `:${line}`} ${rule}: ${message}`,
  }));
  if (findings.length > 0) blocks.push(findings.map(({ sign, text }) => `${sign} ${printable(text)}\n`).join(''));
  const facts = [
    `${paint('dim', 'estimate')}  ${estimate.ms === null ? 'unknown' : durationText(estimate.ms)}: ${estimate.reason}\n`,
    ...(databases === 0 ? [] : [`${paint('dim', 'budget  ')}  ${budgetText(plan.limits)}\n`]),
    ...(plan.moves_head ? [`${paint('dim', 'head    ')}  new databases get it once the first wave has passed\n`] : []),
    ...(plan.approval.required
      ? [`${paint('dim', 'approval')}  a second person, for ${plan.approval.groups.map(printable).join(', ')}\n`]
      : []),
  ];
  blocks.push(facts.join(''));
  for (const { message } of warnings) blocks.push(`${paint('yellow', '!')} ${printable(message)}\n`);
  for (const { code, message } of refusals)
    blocks.push(`${paint('red', '✗')} ${printable(message)} ${paint('dim', `(${code})`)}\n`);
  return blocks.join('\n');
}

function budgetText({ failures, at_once }: RolloutPlanView['limits']): string {
  const what = failures === 0 ? 'the first failure halts it' : `${failures} may fail, one more halts it`;
  return `${what}; at most ${at_once} at once`;
}

function fileText(
  { name, databases, direction, program, statements }: RolloutPlanView['files'][number],
  paint: Paint,
): string {
  const head = `${direction === 'up' ? '↑' : '↓'} ${printable(name)}  ${paint('dim', `in ${databases}`)}\n`;
  if (statements === undefined) return head;
  const sql = program ? ['-- asks the database while it runs: its SQL is known only there'] : statements;
  return head + sql.map((statement) => `${printableSql(statement)};\n`).join('');
}

function printableSql(text: string): string {
  return text
    .trim()
    .replace(/;$/, '')
    .split(/\r?\n/)
    .map((line) => `    ${printable(line.replaceAll('\t', '  '))}`)
    .join('\n');
}

const clusterColumns: readonly Column<Cluster>[] = [
  { title: 'CLUSTER', cell: (row) => row.name, shrinks: true },
  { title: 'DATABASES', cell: (row) => row.databases, align: 'right' },
  { title: 'THERE', cell: (row) => row.already_there, align: 'right' },
  {
    title: 'STAND AT',
    cell: (row) => row.versions.map(({ version, databases }) => `${version ?? 'none'} (${databases})`).join(' '),
    shrinks: true,
  },
];

const waveColumns: readonly Column<Wave>[] = [
  { title: 'WAVE', cell: (row) => row.position + 1, align: 'right' },
  { title: 'NAME', cell: (row) => row.name, shrinks: true },
  { title: 'DATABASES', cell: (row) => row.databases, align: 'right' },
  { title: 'BAKE', cell: (row) => (row.bake_ms === 0 ? null : durationText(row.bake_ms)), align: 'right' },
  { title: 'WINDOW', cell: (row) => windowText(row.maintenance_window), shrinks: true },
  { title: 'TENANTS', cell: tenantsText, shrinks: true },
];

function tenantsText({ tenants, databases }: Wave): string {
  const more = databases - tenants.length;
  return `${tenants.join(', ')}${more > 0 && tenants.length > 0 ? ', …' : ''}`;
}
