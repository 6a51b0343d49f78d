// Owns what squawk finds in a text, laid on the statements of PostgreSQL's parser: which of our rules it is, and whether it is about
// something that is new in this release, which squawk cannot know.
import type { SqlStatement } from '../../migration-files/parse-sql.ts';
import type { Place } from '../../migration-files/text-places.ts';
import { child, items, strings, tableOf, text } from '../ast.ts';
import { type RuleId, rules } from '../rules.ts';
import { runSquawk } from '../run-squawk.ts';
import { squawkRules } from '../squawk-rules.ts';

export type SquawkFound = { rule: RuleId; line: number; column: number };

/** By the statement it is in. @throws SquawkUnavailable */
export async function findBySquawk(
  sql: string,
  statements: readonly SqlStatement[],
  serverMajor: number,
): Promise<Map<SqlStatement, SquawkFound[]>> {
  const found = new Map<SqlStatement, SquawkFound[]>();
  const byPlace = (await runSquawk(sql, serverMajor)).sort(comparePlaces);
  let at = -1;
  for (const { rule: name, ...place } of byPlace) {
    while (at + 1 < statements.length && comparePlaces(statements[at + 1] as SqlStatement, place) <= 0) at++;
    const rule = squawkRules[name] ?? null;
    const statement = statements[at];
    if (rule === null || statement === undefined) continue;
    found.set(statement, [...(found.get(statement) ?? []), { rule, ...place }]);
  }
  return found;
}

function comparePlaces(a: Place, b: Place): number {
  return a.line - b.line || a.column - b.column;
}

/** Of a rule about what is in use: names of which one must be in use. No name: take it as in use. */
export function concerns(rule: RuleId, { kind, node }: SqlStatement): string[] {
  if (rules[rule].existingOnly !== true) return [];
  if (kind === 'DropStmt') return items(node, 'objects').map((object) => strings(object.node, 'items').at(-1) ?? '');
  const relation = child(node, 'relation');
  return 'relname' in relation
    ? [node.kind === 'REINDEX_OBJECT_INDEX' ? text(relation, 'relname') : tableOf(relation)]
    : [];
}

/** Says what stands there, for rules that squawk finds. */
export const squawkMessages: Partial<Record<RuleId, string>> = {
  'ban-alter-domain-with-add-constraint': 'A constraint is added to a domain.',
  'ban-char-field': 'A column of the type char(n).',
  'ban-create-domain-with-constraint': 'A domain with a constraint.',
  'ban-drop-not-null': 'A column may be NULL from here on.',
  'identifier-too-long': 'A name of more than 63 bytes.',
  'prefer-bigint-over-int': 'A 32-bit number.',
  'prefer-bigint-over-smallint': 'A 16-bit number.',
  'prefer-identity': 'A column of the type serial.',
  'prefer-text-field': 'A column of the type varchar(n).',
  'prefer-timestamp-tz': 'A column of the type timestamp without time zone.',
  'require-concurrent-index-deletion': 'DROP INDEX without CONCURRENTLY.',
  'require-concurrent-partition-detach': 'DETACH PARTITION without CONCURRENTLY.',
  'require-concurrent-reindex': 'REINDEX without CONCURRENTLY.',
};
