// Owns the report of an attack as a document that can be filed: what was tried, what came back, and the sum of it.
import type { Attempt, Verdict } from './attack.ts';

export type AttackReport = {
  readonly started_at: string;
  readonly finished_at: string;
  readonly runtime: string;
  readonly attempts: readonly Attempt[];
  readonly counts: Readonly<Record<Verdict, number>>;
};

export function reportOf(runtime: string, startedAt: Date, attempts: readonly Attempt[]): AttackReport {
  const counts: Record<Verdict, number> = { held: 0, broken: 0, untried: 0 };
  for (const { verdict } of attempts) counts[verdict] += 1;
  return {
    started_at: startedAt.toISOString(),
    finished_at: new Date().toISOString(),
    runtime,
    attempts,
    counts,
  };
}

/** A page of Markdown. */
export function reportPage({ started_at, finished_at, runtime, attempts, counts }: AttackReport): string {
  const row = ({ case: id, group, what, expected, got, verdict }: Attempt) =>
    `| ${[id, group, what, expected, got, verdict].map(cell).join(' | ')} |`;
  return `# Attack on ${runtime}

From ${started_at} to ${finished_at}: ${attempts.length} attempts, ${counts.held} held, ${counts.broken} broken, ${counts.untried} not tried.

| case | group | what was tried | expected | came back | verdict |
|---|---|---|---|---|---|
${attempts.map(row).join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
}
