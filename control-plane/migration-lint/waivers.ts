// Owns what a file waives: its findings keep their place and carry the reason; a waiver of nothing is a finding itself.
import type { Waiver, WrittenFile } from '../migration-files/migration-file.ts';
import type { Finding } from './rule.ts';
import { isRule, type RuleId, rules } from './rules.ts';

/** @param findings of this file alone */
export function applyWaivers({ written: { waivers } }: WrittenFile, findings: readonly Finding[]): Finding[] {
  const used = new Set<Waiver>();
  const judged = findings.map((finding) => {
    const waiver = waivers.find(({ rule }) => rule === finding.rule);
    if (waiver === undefined) return finding;
    used.add(waiver);
    return { ...finding, waived: waiver.reason };
  });
  const idle = waivers.filter((waiver) => !used.has(waiver)).map(findingOf);
  return [...judged, ...idle];
}

function findingOf({ rule, entry, line }: Waiver): Finding {
  const id: RuleId = isRule(rule) ? 'unused-waiver' : 'unknown-rule';
  const message = isRule(rule) ? `Nothing here breaks the rule ${rule}.` : `There is no rule ${rule}.`;
  return {
    file: entry,
    line,
    column: 1,
    generated: false,
    rule: id,
    ...textsOf(id),
    message,
    waived: null,
    history: false,
  };
}

export function textsOf(rule: RuleId): Pick<Finding, 'severity' | 'why' | 'remedy' | 'example'> {
  const { severity, why, remedy, example } = rules[rule];
  return { severity, why, remedy, example };
}
