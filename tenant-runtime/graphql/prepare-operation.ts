// Owns the way from a document's text to an operation that may run: parsed, within its limits, valid for the schema. Documents
// are kept by their text, so the second request with the same one parses, validates and plans nothing (grafast keeps plans by
// the parsed document).
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'grafast/graphql';
import type { Access } from '../route.ts';
import { checkCost, checkShape, type DocumentLimits } from './document-limits.ts';
import { graphqlFault } from './errors.ts';
import type { GraphqlRequest } from './graphql-request.ts';

export type OperationRules = DocumentLimits & { introspection: boolean };

export type Operation = { document: DocumentNode; definition: OperationDefinitionNode };

export type OperationReader = {
  /** What can be said without a schema. @throws Fault graphql_document_invalid, graphql_too_complex, graphql_request_invalid, graphql_read_only */
  read(request: GraphqlRequest, access: Access): Operation;
  /** The rest. @throws Fault graphql_document_invalid, graphql_too_complex */
  check(schema: GraphQLSchema, operation: Operation, request: GraphqlRequest): void;
};

const documentsMax = 500;
/** Longer ones are read again each time, so that the memory has a bound. */
const keptLengthMax = 50_000;
/** About four for each field; the limit on fields comes first for any honest document. */
const tokensMax = 8_000;
const errorsMax = 10;

export function createOperationReader(rules: OperationRules): OperationReader {
  const documents = new Map<string, DocumentNode>();
  const validated = new WeakMap<GraphQLSchema, WeakMap<DocumentNode, readonly GraphQLError[]>>();
  const validationRules = rules.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];

  const documentOf = (text: string): DocumentNode => {
    const known = documents.get(text);
    if (known !== undefined) return known;
    const document = parsed(text);
    checkShape(document, rules);
    if (text.length > keptLengthMax) return document;
    documents.set(text, document);
    if (documents.size > documentsMax) documents.delete(documents.keys().next().value as string);
    return document;
  };

  const errorsOf = (schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] => {
    let ofSchema = validated.get(schema);
    if (ofSchema === undefined) {
      ofSchema = new WeakMap();
      validated.set(schema, ofSchema);
    }
    let errors = ofSchema.get(document);
    if (errors === undefined) {
      errors = validate(schema, document, validationRules, { maxErrors: errorsMax });
      ofSchema.set(document, errors);
    }
    return errors;
  };

  return {
    read(request, access) {
      const document = documentOf(request.document);
      const definition = getOperationAST(document, request.operationName);
      if (definition == null) {
        throw graphqlFault(
          'graphql_request_invalid',
          'Name in "operationName" an operation of the document: it has none of this name, or several.',
        );
      }
      if (definition.operation === 'subscription')
        throw invalidDocument([new GraphQLError('Subscriptions are not offered.')]);
      if (definition.operation === 'mutation' && access === 'ro') {
        throw graphqlFault('graphql_read_only', 'This token may only read: mint one with the scope graphql to write.');
      }
      return { document, definition };
    },
    check(schema, { document, definition }, { variables }) {
      const errors = errorsOf(schema, document);
      if (errors.length > 0) throw invalidDocument(rules.introspection ? errors : errors.map(withoutSuggestions));
      checkCost(schema, document, definition, variables, rules);
    },
  };
}

function parsed(text: string): DocumentNode {
  try {
    return parse(text, { maxTokens: tokensMax });
  } catch (error) {
    throw invalidDocument([error as GraphQLError]);
  }
}

/** The errors themselves are in `errors`, for graphql-answer.ts to show each. */
function invalidDocument(errors: readonly GraphQLError[]) {
  return graphqlFault('graphql_document_invalid', 'The document cannot be used; each error says where.', {
    extra: { errors },
  });
}

/** `Did you mean "salary"?` would tell what introspection was switched off for. */
function withoutSuggestions(error: GraphQLError): GraphQLError {
  return new GraphQLError(error.message.replace(/ ?Did you mean .*$/s, ''), { nodes: error.nodes ?? null });
}
