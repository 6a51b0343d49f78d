// Owns reading the project's own TypeScript for tests about the code: files, their imports, their top-level statements.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vitest/node';

export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

export type Import = {
  /** As written: './x.ts', 'pg', 'node:fs'. */
  specifier: string;
  line: number;
  typeOnly: boolean;
  /** The path from the root of the project, for a relative specifier. */
  target: string | undefined;
};
export type SourceFile = {
  path: string;
  imports: Import[];
  envUses: number[];
  effects: { line: number; text: string }[];
};

const skipped = new Set(['node_modules', '.git', 'data', 'coverage']);

/** Every .ts file of the project, paths from its root with forward slashes. */
export function sourceFiles(): SourceFile[] {
  return filesBelow(projectRoot).map((file) => readSource(file, fs.readFileSync(path.join(projectRoot, file), 'utf8')));
}

export function readSource(file: string, text: string): SourceFile {
  const imports: Import[] = [];
  const envUses: number[] = [];
  const lineOf = lineFinder(text);
  const program = parseAst(text, { lang: 'ts' }) as unknown as AstNode;
  walk(program, (node) => {
    const specifier = specifierOf(node);
    if (specifier !== undefined) {
      const target = specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : undefined;
      imports.push({ specifier, target, line: lineOf(node.start), typeOnly: isTypeOnly(node) });
    }
    if (isProcessEnv(node)) envUses.push(lineOf(node.start));
  });
  const effects = (program.body as AstNode[])
    .filter((node) => effectTypes.has(node.type) && !isDirective(node))
    .map((node) => ({ line: lineOf(node.start), text: text.slice(node.start, node.end).split('\n')[0] as string }));
  return { path: file, imports, envUses, effects };
}

type AstNode = { type: string; start: number; end: number } & Record<string, unknown>;

/** Statements that do something when the file is loaded. Declarations with a call in them (schemas, tables) are not counted. */
const effectTypes = new Set([
  'ExpressionStatement',
  'IfStatement',
  'ForStatement',
  'ForOfStatement',
  'ForInStatement',
  'WhileStatement',
  'TryStatement',
  'SwitchStatement',
]);

function specifierOf(node: AstNode): string | undefined {
  const declares = [
    'ImportDeclaration',
    'ExportNamedDeclaration',
    'ExportAllDeclaration',
    'ImportExpression',
    'TSImportType',
  ];
  if (declares.includes(node.type)) return literal(node.source) ?? literal(node.argument);
  if (node.type !== 'CallExpression') return undefined;
  const callee = node.callee as AstNode;
  return callee.name === 'require' ? literal((node.arguments as AstNode[])[0]) : undefined;
}

function literal(node: unknown): string | undefined {
  const value = (node as { value?: unknown } | null | undefined)?.value;
  return typeof value === 'string' ? value : undefined;
}

function isTypeOnly(node: AstNode): boolean {
  if (node.type === 'TSImportType' || node.importKind === 'type' || node.exportKind === 'type') return true;
  const specifiers = (node.specifiers ?? []) as AstNode[];
  return specifiers.length > 0 && specifiers.every((each) => each.importKind === 'type' || each.exportKind === 'type');
}

function isProcessEnv(node: AstNode): boolean {
  if (node.type !== 'MemberExpression') return false;
  return (node.object as AstNode).name === 'process' && (node.property as AstNode).name === 'env';
}

function isDirective(node: AstNode): boolean {
  return typeof node.directive === 'string';
}

function walk(node: unknown, visit: (node: AstNode) => void): void {
  if (Array.isArray(node)) {
    for (const each of node) walk(each, visit);
  } else if (typeof node === 'object' && node !== null) {
    if (typeof (node as AstNode).type === 'string') visit(node as AstNode);
    for (const value of Object.values(node)) walk(value, visit);
  }
}

function lineFinder(text: string): (offset: number) => number {
  return (offset) => text.slice(0, offset).split('\n').length;
}

function filesBelow(root: string): string[] {
  const found: string[] = [];
  const enter = (folder: string) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const place = path.posix.join(folder, entry.name);
      if (entry.isDirectory() && !skipped.has(entry.name)) enter(place);
      else if (entry.isFile() && entry.name.endsWith('.ts')) found.push(place);
    }
  };
  enter('');
  return found.sort((a, b) => (a < b ? -1 : 1)); // by code unit: the same order on every machine
}
