// Owns reading the parser's tree: it is JSON of some hundred node types, of which the rules look at a few fields.

export type Node = Readonly<Record<string, unknown>>;

/** A field that is a node, or an empty one. */
export function child(node: Node, name: string): Node {
  const value = node[name];
  return typeof value === 'object' && value !== null ? (value as Node) : {};
}

export function text(node: Node, name: string): string {
  const value = node[name];
  return typeof value === 'string' ? value : '';
}

/** Of a list whose items are `{ Kind: {…} }`: kind and fields. */
export function items(node: Node, name: string): { kind: string; node: Node }[] {
  const list = node[name];
  if (!Array.isArray(list)) return [];
  return list.map((item) => {
    const [kind, inner] = Object.entries(item as Node)[0] ?? ['', {}];
    return { kind, node: inner as Node };
  });
}

/** Every node of a kind, at any depth. */
export function nodesOf(kind: string, tree: unknown): Node[] {
  if (typeof tree !== 'object' || tree === null) return [];
  if (Array.isArray(tree)) return tree.flatMap((item) => nodesOf(kind, item));
  return Object.entries(tree).flatMap(([name, value]) => [
    ...(name === kind ? [value as Node] : []),
    ...nodesOf(kind, value),
  ]);
}

/** Of a list of String nodes: `{"String":{"sval":"a"}}`. */
export function strings(node: Node, name: string): string[] {
  return items(node, name).map((item) => text(item.node, 'sval'));
}

/** A table as a rule names it: what is in public goes without its schema. */
export function tableOf(rangeVar: Node): string {
  return nameOf([text(rangeVar, 'schemaname'), text(rangeVar, 'relname')]);
}

export function nameOf(parts: readonly string[]): string {
  return parts.filter((part) => part !== '' && part !== 'public').join('.');
}

/** Of a node or of something in it; undefined where the parser gives none. */
export function locationOf(node: Node): number | undefined {
  return typeof node.location === 'number' && node.location >= 0 ? node.location : undefined;
}

/** Constants of a SET or of a call, as text. */
export function constantOf(node: Node): string | undefined {
  const constant = child(node, 'A_Const');
  if (typeof child(constant, 'sval').sval === 'string') return text(child(constant, 'sval'), 'sval');
  if ('ival' in constant) return String(child(constant, 'ival').ival ?? 0);
  if ('fval' in constant) return text(child(constant, 'fval'), 'fval');
  return undefined;
}
