// Owns the one table of everything the linter knows. Where squawk has a rule for the same cause, it has squawk's name here, so that
// what people know and find about it stays true; who finds it (squawk, or we, knowing more files) is squawk-rules.ts's matter.
import type { Rule } from './rule.ts';
import { boundaryRules } from './rules/boundary-rules.ts';
import { dataRules } from './rules/data-rules.ts';
import { lockRules } from './rules/lock-rules.ts';

const table = { ...boundaryRules, ...lockRules, ...dataRules };

export type RuleId = keyof typeof table;

export const rules: Readonly<Record<RuleId, Rule>> = table;

export function isRule(id: string): id is RuleId {
  return Object.hasOwn(rules, id);
}
