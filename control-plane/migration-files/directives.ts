// Owns what a migration file says about itself in comments, the same in SQL and in programs:
//   -- freehold: no-transaction                 its statements run one by one, resumable, outside of a transaction
//   -- freehold: irreversible                   it has no way back, whatever stands under "Down Migration"
//   -- freehold: contract requires=<version>    it takes away what applications below that version of the schema use
//   -- freehold: allow <rule>: <reason>         a finding of the linter is waived
export type Directives = {
  noTransaction: boolean;
  irreversible: boolean;
  contractRequires: string | null;
  waivers: { rule: string; reason: string; line: number }[];
};

/** @throws Error that names line and remedy; the caller knows the file */
export function readDirectives(content: string): Directives {
  const found: Directives = { noTransaction: false, irreversible: false, contractRequires: null, waivers: [] };
  for (const [index, text] of content.split('\n').entries()) {
    const said = /^\s*(?:--|\/\/)\s*freehold:\s*(.*?)\s*$/i.exec(text)?.[1];
    if (said === undefined) continue;
    const contract = /^contract\s+requires=(\d{1,20})$/.exec(said);
    const waiver = /^allow\s+([a-z][a-z0-9-]*)\s*:\s*(\S.*)$/.exec(said);
    if (said === 'no-transaction') found.noTransaction = true;
    else if (said === 'irreversible') found.irreversible = true;
    else if (contract !== null) found.contractRequires = contract[1] as string;
    else if (waiver !== null)
      found.waivers.push({ rule: waiver[1] as string, reason: waiver[2] as string, line: index + 1 });
    else
      throw new Error(
        `line ${index + 1}: "${said}" is not known; write no-transaction, irreversible, contract requires=<version> or allow <rule>: <reason>`,
      );
  }
  return found;
}
