// Owns the codes of the GraphQL endpoint. They stand in `extensions.code` of a GraphQL error, where clients of that language
// look; what stops a request before it is GraphQL (token, route, scope) is a problem document as everywhere.
import { type FaultTable, faultsOf } from '../../platform/errors.ts';

export const graphqlFaults = {
  graphql_request_invalid: {
    kind: 'invalid',
    title: 'The GraphQL request does not have the documented shape',
    cause:
      'The body is not {"query", "variables", "operationName", "extensions"}, names no operation, or its variables do not fit the types of the operation.',
    check: 'Read the message; compare with the body that a GraphQL client sends.',
    who: 'client',
  },
  graphql_document_invalid: {
    kind: 'invalid',
    title: 'The GraphQL document cannot be used with this schema',
    cause: 'It does not parse, or asks for fields, arguments or types that the schema of this tenant does not have.',
    check: 'Read each error with its line and column; introspect the schema with the same token.',
    who: 'client',
  },
  graphql_cursor_invalid: {
    kind: 'invalid',
    title: 'The cursor does not belong to this list',
    cause: 'The value of after or before is no cursor, or one of another list or order.',
    check:
      'Take it from an answer to the same question, or begin without one. It names a place in the order and no tenant.',
    who: 'client',
  },
  graphql_too_complex: {
    kind: 'invalid',
    title: 'The GraphQL operation asks for too much',
    cause: 'Its depth, fields, aliases or cost (fields times the rows of the lists they stand in) is above the limit.',
    check: 'Give lists first or last, ask for fewer levels, split the operation. `limit`, `value` and `max` say which.',
    who: 'client',
  },
  graphql_read_only: {
    kind: 'forbidden',
    title: 'The token allows queries only',
    cause: 'A mutation was sent with a token of the scope graphql:read.',
    check: 'Mint a token with the scope graphql for what has to write.',
    who: 'client',
  },
  graphql_query_only: {
    kind: 'method-not-allowed',
    title: 'Only a query may be asked for by GET',
    cause:
      'The operation of a GET request is a mutation. What is between here and the client may repeat or keep a GET.',
    check: 'Send mutations by POST.',
    who: 'client',
  },
  graphql_operation_unknown: {
    kind: 'not-found',
    title: 'No stored operation has this hash',
    cause: 'The hash in `extensions.persistedQuery` or `documentId` is not in the file of stored operations.',
    check: 'Send the document itself, or have it put into FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_FILE of every runtime.',
    who: 'client',
  },
  graphql_operation_not_stored: {
    kind: 'forbidden',
    title: 'Only stored operations are answered here',
    cause: 'This runtime has FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_ONLY, and the document is not one of them.',
    check: 'Use an operation that was stored, or have this one stored with the next release of the application.',
    who: 'client',
  },
  graphql_statement_failed: {
    kind: 'invalid',
    title: 'The database refused a statement of the operation',
    cause: 'A constraint, a policy, a type or a time limit. Nothing of the operation was kept. `sqlstate` says which.',
    check: 'Read the message and `sqlstate`; correct the values.',
    who: 'client',
  },
  graphql_operations_file_unusable: {
    kind: 'internal',
    title: 'The file of stored operations cannot be used',
    cause: 'It is not there, is not a JSON object of SHA-256 to document, or a key is not the hash of its document.',
    check: 'Write it again with the tool that made it; the hash is that of the exact text.',
    who: 'operator',
  },
} as const satisfies FaultTable;

export const graphqlFault = faultsOf(graphqlFaults);
