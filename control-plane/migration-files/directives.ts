// Owns what a migration file says about itself in comments, the same in SQL and in programs:
//   -- freehold: no-transaction                 its statements run one by one, resumable, outside of a transaction
//   -- freehold: irreversible                   it has no way back, whatever stands under "Down Migration"
//   -- freehold: contract requires=<version>    it takes away what applications below that version of the schema use
//   -- freehold: allow <rule>: <reason>         a finding of the linter is waived
// The first three stand at the head of the file or of a section, before any code; a waiver may stand anywhere. What only looks
// like one of them, in a string or in the body of a function, says nothing.
export type Directives = {
  noTransaction: boolean;
  irreversible: boolean;
  contractRequires: string | null;
  waivers: { rule: string; reason: string; line: number }[];
};

/** @throws Error that names line and remedy; the caller knows the file */
export function readDirectives(content: string): Directives {
  const found: Directives = { noTransaction: false, irreversible: false, contractRequires: null, waivers: [] };
  let atHead = true;
  /** Of a directive that stands behind code: good only where a section begins next. */
  let behindCode: number | undefined;
  for (const [index, text] of withoutLiterals(content).split('\n').entries()) {
    if (/^\s*$/.test(text)) continue;
    if (!/^\s*(?:--|\/\/)/.test(text)) {
      if (behindCode !== undefined) throw misplaced(behindCode);
      atHead = false;
      continue;
    }
    if (/^\s*--[\s-]*(?:up|down)\s+migration/i.test(text)) {
      atHead = true;
      behindCode = undefined;
    }
    const said = /^\s*(?:--|\/\/)\s*freehold:(.*)$/i.exec(text)?.[1]?.trim();
    if (said !== undefined && hear(found, said, index + 1) && !atHead) behindCode ??= index + 1;
  }
  if (behindCode !== undefined) throw misplaced(behindCode);
  return found;
}

/** Whether it speaks of the whole file. @throws Error */
function hear(found: Directives, said: string, line: number): boolean {
  const contract = /^contract\s+requires=(\d{1,20})$/.exec(said);
  const waiver = /^allow\s+([a-z][a-z0-9-]*)\s*:\s*(\S.*)$/.exec(said);
  if (waiver !== null) {
    found.waivers.push({ rule: waiver[1] as string, reason: waiver[2] as string, line });
    return false;
  }
  if (said === 'no-transaction') found.noTransaction = true;
  else if (said === 'irreversible') found.irreversible = true;
  else if (contract !== null) found.contractRequires = contract[1] as string;
  else
    throw new Error(
      `line ${line}: "${said}" is not known; write no-transaction, irreversible, contract requires=<version> or allow <rule>: <reason>`,
    );
  return true;
}

function misplaced(line: number) {
  return new Error(`line ${line}: this belongs at the head of the file or of its section, before any code`);
}

/** Strings, dollar quotes, templates and block comments become blanks; line comments stay, and so do all lines. */
function withoutLiterals(content: string): string {
  return content.replace(lexemes, (lexeme) =>
    /^(?:--|\/\/)/.test(lexeme)
      ? lexeme
      : lexeme.replace(/[^\n]/g, ' ').replace(/^ /, lexeme.startsWith('/*') ? ' ' : "'"),
  );
}

/** One that does not end reaches to the end of the text: to look for an end again from each of many would take for ever. */
const lexemes =
  /(?:--|\/\/)[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^'\\]|\\[\s\S]?)*(?:'|$)|"(?:[^"\\\n]|\\.?)*(?:"|$|(?=\n))|`(?:[^`\\]|\\[\s\S]?)*(?:`|$)|(\$(?:[A-Za-z_]\w*)?\$)[\s\S]*?(?:\1|$)/g;
