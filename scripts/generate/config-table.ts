// Owns CONFIGURATION.md: every environment variable of both processes, from their specs.
import { type ConfigSpec, describeConfig } from '../../platform/config.ts';

export function configPage(processes: readonly { title: string; spec: ConfigSpec }[]): string {
  const tables = processes.map(({ title, spec }) => {
    const rows = describeConfig(spec).map(
      (row) =>
        `| \`${row.name}\` | ${row.type} | ${row.default === 'required' || row.default === 'unset' ? row.default : `\`${row.default}\``} | ${row.help}${row.secret ? ` Also \`${row.name}_FILE\`.` : ''} |`,
    );
    return `## ${title}\n\n| variable | type | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}`;
  });
  return `# Configuration\n\nRead once at start; all problems are reported together and the process ends with code 2. Generated; do not edit.\n\n${tables.join('\n\n')}\n`;
}
