// Owns what a GraphQL document may ask for, decided before anything runs: its size, depth and aliases from the text alone
// (before validation, which itself is slow on documents made to be), its cost from the schema and the variables. Each
// fragment is looked at once, however often it is spread, so a document of nested fragments costs no more than its length.
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'grafast/graphql';
import { graphqlFault } from './errors.ts';

export type DocumentLimits = { depthMax: number; costMax: number };

/** A long hand-written operation has some hundred fields; each one more is a pair to compare in validation. */
const fieldsMax = 1_000;
/** The same field again and again is how a small request becomes a large answer. */
const aliasesMax = 50;
/** Rows that a list without first or last counts for. */
const listRowsAssumed = 100;

/** The standard query answers some ten thousand fields on the sample schema, from memory; a handful of them fit into one request. */
const introspectionCost = 10_000;

type Shape = { depth: number; fields: number; aliases: number };

/** @throws Fault graphql_too_complex */
export function checkShape(document: DocumentNode, { depthMax }: DocumentLimits): void {
  const fragments = fragmentsOf(document);
  const known = new Map<string, Shape>();
  const shapeOf = (set: SelectionSetNode | undefined): Shape => {
    const sum = { depth: 0, fields: 0, aliases: 0 };
    for (const selection of set?.selections ?? []) {
      let part: Shape;
      if (selection.kind === Kind.FRAGMENT_SPREAD) part = fragmentShape(selection.name.value);
      else if (selection.kind === Kind.INLINE_FRAGMENT) part = shapeOf(selection.selectionSet);
      else part = fieldShape(selection, shapeOf);
      sum.depth = Math.max(sum.depth, part.depth);
      sum.fields += part.fields;
      sum.aliases += part.aliases;
    }
    return sum;
  };
  const fragmentShape = (name: string): Shape => {
    const shape = known.get(name);
    if (shape !== undefined) return shape;
    known.set(name, nothing); // a fragment within itself is validation's to refuse
    const own = shapeOf(fragments.get(name)?.selectionSet);
    known.set(name, own);
    return own;
  };
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const { depth, fields, aliases } = shapeOf(definition.selectionSet);
    refuseAbove('depth', depth, depthMax);
    refuseAbove('fields', fields, fieldsMax);
    refuseAbove('aliases', aliases, aliasesMax);
  }
}

const nothing: Shape = { depth: 0, fields: 0, aliases: 0 };

function fieldShape(field: FieldNode, shapeOf: (set: SelectionSetNode | undefined) => Shape): Shape {
  const inner = shapeOf(field.selectionSet);
  // The types of the schema itself nest deeply in every client's standard query; validation bounds them by its own rule.
  const depth = field.name.value.startsWith('__') ? 1 : 1 + inner.depth;
  return { depth, fields: 1 + inner.fields, aliases: inner.aliases + (field.alias === undefined ? 0 : 1) };
}

/** Each field costs 1, times the rows of every list that it stands in. @throws Fault graphql_too_complex */
export function checkCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
  { costMax }: DocumentLimits,
): number {
  const fragments = fragmentsOf(document);
  const known = new Map<string, number>();
  const defaults = new Map(operation.variableDefinitions?.map((each) => [each.variable.name.value, each.defaultValue]));
  const rowsOf = (value: ValueNode): number | undefined => {
    if (value.kind === Kind.INT) return Number(value.value);
    if (value.kind !== Kind.VARIABLE) return undefined;
    const given = variables[value.name.value];
    if (typeof given === 'number') return given;
    const fallback = defaults.get(value.name.value);
    return fallback === undefined ? undefined : rowsOf(fallback);
  };
  const costOf = (set: SelectionSetNode, parent: string): number => {
    let cost = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) cost += fragmentCost(selection.name.value);
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        cost += costOf(selection.selectionSet, selection.typeCondition?.name.value ?? parent);
      else cost += fieldCost(selection, parent);
    }
    return cost;
  };
  const fragmentCost = (name: string): number => {
    let cost = known.get(name);
    const fragment = fragments.get(name);
    if (cost === undefined && fragment !== undefined) {
      cost = costOf(fragment.selectionSet, fragment.typeCondition.name.value);
      known.set(name, cost);
    }
    return cost ?? 0;
  };
  const fieldCost = (field: FieldNode, parent: string): number => {
    if (field.selectionSet === undefined) return 1;
    if (field.name.value.startsWith('__')) return introspectionCost;
    const parentType = schema.getType(parent);
    const typed = isObjectType(parentType) || isInterfaceType(parentType);
    const type = typed ? parentType.getFields()[field.name.value]?.type : undefined;
    const inner = costOf(field.selectionSet, type === undefined ? '' : getNamedType(type).name);
    return 1 + inner * (type === undefined ? 1 : rowsIn(field, type, isConnection(parentType), rowsOf));
  };
  const root = schema.getRootType(operation.operation)?.name as string;
  const cost = costOf(operation.selectionSet, root);
  refuseAbove('cost', cost, costMax);
  return cost;
}

function rowsIn(
  field: FieldNode,
  type: GraphQLOutputType,
  inConnection: boolean,
  rowsOf: (value: ValueNode) => number | undefined,
): number {
  const bare = isNonNullType(type) ? type.ofType : type;
  const many = isListType(bare) || isConnection(bare);
  if (!many || inConnection) return 1; // nodes and edges of a connection were counted with it
  for (const argument of field.arguments ?? []) {
    if (argument.name.value !== 'first' && argument.name.value !== 'last') continue;
    const rows = rowsOf(argument.value);
    if (rows !== undefined) return Math.max(1, rows);
  }
  return listRowsAssumed;
}

function isConnection(type: unknown): boolean {
  return (
    isCompositeType(type) && isObjectType(type) && type.name.endsWith('Connection') && 'pageInfo' in type.getFields()
  );
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  return new Map(
    document.definitions.flatMap((each) => (each.kind === Kind.FRAGMENT_DEFINITION ? [[each.name.value, each]] : [])),
  );
}

const words = {
  depth: 'levels of fields',
  fields: 'fields',
  aliases: 'aliases',
  cost: 'fields times rows; give lists first or last',
} as const;

function refuseAbove(limit: keyof typeof words, value: number, max: number): void {
  if (value <= max) return;
  const message = `The operation asks for ${value} ${words[limit]}. At most ${max} are allowed: ask for less at once.`;
  throw graphqlFault('graphql_too_complex', message, { extra: { limit, value, max } });
}
