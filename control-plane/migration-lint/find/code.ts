// Owns finding what the code of DO blocks, functions and procedures must not do: its text is of another language, so it is looked at
// by words.
import { child, items, type Node, nodesOf, text } from '../ast.ts';
import type { Found } from './look.ts';

/** In the text of a DO block or procedure, where only words can be looked at; in functions they fail by themselves when they run. */
export function findInCode(kind: string, node: Node): Found[] {
  const isProcedure = kind === 'CreateFunctionStmt' && node.is_procedure === true;
  if (kind === 'DoStmt') {
    const code = bodyOf(items(node, 'args'));
    const word = /\b(commit|rollback)\b\s*(?:;|and\b)/i.exec(withoutLiterals(code))?.[1];
    // Also in a text that it executes.
    const isOther = /\bset\s+(?:(?:local|session)\s+)?(?:role|authorization)\b|set_config\(\s*'role'/i.test(code);
    return [
      ...(word === undefined
        ? []
        : [{ rule: 'transaction-control' as const, message: `The DO block says ${word.toUpperCase()}.` }]),
      ...(isOther ? [{ rule: 'changes-role' as const, message: 'The DO block changes the role.' }] : []),
    ];
  }
  const definer = kind === 'CreateFunctionStmt' || kind === 'AlterFunctionStmt';
  if (!definer) return [];
  const options = items(node, kind === 'CreateFunctionStmt' ? 'options' : 'actions').map((option) => option.node);
  const isDefiner = options.some(
    (option) => option.defname === 'security' && child(child(option, 'arg'), 'Boolean').boolval === true,
  );
  const isPinned = options.some(
    (option) =>
      option.defname === 'set' && text(child(child(option, 'arg'), 'VariableSetStmt'), 'name') === 'search_path',
  );
  if (!isDefiner || isPinned) return [];
  const what = isProcedure ? 'procedure' : 'function';
  return [{ rule: 'definer-search-path', message: `A SECURITY DEFINER ${what} without a search_path of its own.` }];
}

function bodyOf(options: readonly { node: Node }[]): string {
  const as = options.find((option) => option.node.defname === 'as');
  return as === undefined
    ? ''
    : nodesOf('String', as.node)
        .map((each) => text(each, 'sval'))
        .join('\n');
}

function withoutLiterals(code: string): string {
  return code.replace(/--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*(?:'|$)/g, ' ');
}
