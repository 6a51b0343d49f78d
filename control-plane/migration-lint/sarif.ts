// Owns findings as SARIF 2.1.0, which code hosts and CI servers show beside the lines. What a file waives is a suppression with its
// justification, what is released already is unchanged; both are there to be read and fail nothing.
import type { Finding } from './rule.ts';
import { isRule, type RuleId, rules } from './rules.ts';

export type SarifOptions = {
  readonly toolVersion: string;
  /** Folder of the files, with slashes and one at its end, relative to the root of the repository; empty: the root. */
  readonly base: string;
};

export function sarifOf(findings: readonly Finding[], { toolVersion, base }: SarifOptions): object {
  const ids = [...new Set(findings.map((finding) => finding.rule))].filter(isRule);
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'freehold', version: toolVersion, rules: ids.map(ruleOf) } },
        columnKind: 'utf16CodeUnits',
        results: findings.map((finding) => resultOf(finding, ids.indexOf(finding.rule as RuleId), base)),
      },
    ],
  };
}

function ruleOf(id: RuleId): object {
  const { severity, why, remedy, example } = rules[id];
  const markdown = example === '' ? remedy : `${remedy}\n\n\`\`\`sql\n${example}\n\`\`\``;
  return {
    id,
    shortDescription: { text: why },
    help: { text: example === '' ? remedy : `${remedy}\n\n${example}`, markdown },
    defaultConfiguration: { level: severity },
  };
}

function resultOf(finding: Finding, ruleIndex: number, base: string): object {
  const { file, line, column, generated, rule, severity, message, why, waived, history } = finding;
  // A line of what a builder file makes is none of the file.
  const where = generated ? ` (line ${line} of the SQL that the file makes)` : '';
  const region = generated ? { startLine: 1 } : { startLine: line, startColumn: column };
  const uri = encodeURI(`${base}${file}`);
  return {
    ruleId: rule,
    ...(ruleIndex >= 0 && { ruleIndex }),
    level: severity,
    message: { text: `${message}${where} ${why}` },
    locations: [{ physicalLocation: { artifactLocation: { uri, uriBaseId: '%SRCROOT%' }, region } }],
    baselineState: history ? 'unchanged' : 'new',
    ...(waived !== null && { suppressions: [{ kind: 'inSource', justification: waived }] }),
  };
}
