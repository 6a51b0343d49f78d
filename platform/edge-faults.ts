// Owns the stable codes of the edge itself: everything that can go wrong before a handler of ours has a say,
// plus the two codes any handler may need (not_found, internal). Each code is described for catalog/ERRORS.md.
import { type FaultTable, faultsOf } from './errors.ts';

export const edgeFaults = {
  invalid_json: {
    kind: 'invalid',
    title: 'The body is not one well-formed JSON document',
    cause:
      'Malformed JSON, text that is not UTF-8, a member named twice in one object, or nesting deeper than allowed.',
    check: 'Send one JSON document encoded in UTF-8, each member once, nested at most 64 levels deep.',
    who: 'client',
  },
  invalid_body: {
    kind: 'invalid',
    title: 'The body does not have the documented shape',
    cause: 'A member is missing, unknown or of the wrong type or range.',
    check: 'The list "errors" names each place with a JSON pointer.',
    who: 'client',
  },
  invalid_query: {
    kind: 'invalid',
    title: 'A query parameter is not acceptable',
    cause: 'A parameter is missing, unknown, repeated or out of range.',
    check: 'The list "errors" names each parameter.',
    who: 'client',
  },
  invalid_path: {
    kind: 'invalid',
    title: 'A path parameter is not acceptable',
    cause: 'An id in the path does not have the form of its kind, for example "tnt_" and 26 characters.',
    check: 'The list "errors" names each parameter.',
    who: 'client',
  },
  invalid_header: {
    kind: 'invalid',
    title: 'A request header is not acceptable',
    cause: 'A header is missing or does not have the documented form.',
    check: 'The list "errors" names each header.',
    who: 'client',
  },
  invalid_request: {
    kind: 'invalid',
    title: 'The request is not well-formed HTTP',
    cause: 'The request line, a header or the framing of the body breaks the rules of HTTP/1.1.',
    check: 'Use an HTTP library; look for a proxy that rewrites requests.',
    who: 'client',
  },
  unsupported_media_type: {
    kind: 'invalid',
    title: 'The body is not declared as JSON',
    cause: 'Content-Type is missing or not application/json, or Content-Encoding is used.',
    check: 'Send Content-Type: application/json and no Content-Encoding.',
    who: 'client',
  },
  body_too_large: {
    kind: 'too-large',
    title: 'The body is larger than this server accepts',
    cause: 'More bytes were declared or sent than the limit of the process.',
    check: 'Split the request. An operator may raise the limit in the configuration.',
    who: 'client',
  },
  client_closed: {
    kind: 'invalid',
    title: 'The client went away before the request was complete',
    cause: 'The connection was closed while the body was being read. Only ever seen in the log.',
    check: 'Look at the client timeout and at proxies on the way.',
    who: 'client',
  },
  unauthenticated: {
    kind: 'unauthenticated',
    title: 'No usable credentials were sent',
    cause: 'The Authorization header is missing, sent twice, or not "Bearer" followed by one token.',
    check: 'Send exactly one header of the form "Authorization: Bearer <token>".',
    who: 'client',
  },
  not_found: {
    kind: 'not-found',
    title: 'There is nothing here, or nothing you may know of',
    cause: 'The path or the resource does not exist, or the caller may not learn that it does.',
    check: 'Check the method, the path and the id.',
    who: 'client',
  },
  deadline_exceeded: {
    kind: 'timeout',
    title: 'The request took longer than it may',
    cause: 'The work did not end before the deadline of the process; it was cancelled.',
    check: 'Whether a database is slow or locked; then send the request again.',
    who: 'operator',
  },
  shutting_down: {
    kind: 'unavailable',
    title: 'This process is about to end',
    cause: 'A stop was asked for while the request was on its way.',
    check: 'Send the request again; another process answers.',
    who: 'client',
  },
  port_in_use: {
    kind: 'unavailable',
    title: 'The port is taken',
    cause: 'Another program, often an earlier start of this one, listens on the configured port.',
    check: 'Stop it or configure another port.',
    who: 'operator',
  },
  internal: {
    kind: 'internal',
    title: 'Something went wrong that is not your fault',
    cause: 'An unexpected error. Its details are in the log under the request id.',
    check: 'Search the log for the request id.',
    who: 'developer',
  },
} as const satisfies FaultTable;

export const edgeFault = faultsOf(edgeFaults);
