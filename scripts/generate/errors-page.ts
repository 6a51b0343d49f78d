// Owns catalog/ERRORS.md: a section per code, from the fault tables of all rooms.
import { type FaultTable, whoActs } from '../../platform/errors.ts';
import { statusOf } from '../../platform/http/problem.ts';

export function errorsPage(tables: readonly FaultTable[]): string {
  const specs = tables.flatMap((table) => Object.entries(table)).sort(([a], [b]) => a.localeCompare(b));
  const twice = specs.find(([code], i) => code === specs[i + 1]?.[0]);
  if (twice !== undefined) throw new Error(`the code ${twice[0]} is declared in two tables`);
  const sections = specs.map(
    ([code, spec]) =>
      `## ${code}\n\n**${spec.title}** (HTTP ${statusOf(spec.kind)}, kind \`${spec.kind}\`)\n\n- Cause: ${spec.cause}\n- Check: ${spec.check}\n- Who acts: ${whoActs[spec.who]}`,
  );
  return `# Errors\n\nEvery problem document carries one of these codes. Generated from the fault tables; do not edit.\n\n${sections.join('\n\n')}\n`;
}
