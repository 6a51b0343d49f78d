// Owns control-plane/migration-lint/RULES.md: every rule of the linter with its reason and the safe way to write it.
import { rules } from '../../control-plane/migration-lint/rules.ts';
import { squawkRules } from '../../control-plane/migration-lint/squawk-rules.ts';

export function rulesPage(): string {
  const bySquawk = new Set(Object.values(squawkRules));
  const entries = Object.entries(rules).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '# Rules of the linter',
    '',
    'What `freehold migrations lint` and the making of a release look for. An **error** refuses the release. Generated from the table of',
    'rules. A finding is waived in its file, with a reason that stays in the release: `-- freehold: allow <rule>: <reason>`.',
    '',
    '"In use" means: made by a release before. What the same release makes is new, and nobody waits for it.',
    '',
    ...entries.flatMap(([id, { severity, existingOnly, why, remedy, example }]) => [
      `## \`${id}\``,
      '',
      `**${severity}**${existingOnly === true ? ', on what is in use' : ''}${bySquawk.has(id as never) ? ', found by squawk' : ''}. ${why}`,
      '',
      remedy,
      '',
      ...(example === '' ? [] : ['```sql', example, '```', '']),
    ]),
  ].join('\n');
}
