// Owns the codes of the runtime itself: what only a request for SQL can get wrong. Everything else a tenant can meet is in
// catalog/errors.ts, platform/edge-faults.ts and platform/jwt.ts.
import { type FaultOptions, type FaultTable, faultsOf } from '../platform/errors.ts';

export const runtimeFaults = {
  sql_request_invalid: {
    kind: 'invalid',
    title: 'The SQL request does not have the documented shape',
    cause:
      'The body is neither {"query", "params"} nor {"queries": […]}, or a header of the batch has an unknown value.',
    check: 'Read the message; compare with the public Neon driver, whose format this is.',
    who: 'client',
  },
  batch_too_large: {
    kind: 'invalid',
    title: 'The batch has too many statements',
    cause: 'One batch is one transaction on one session; a longer one would hold it from everybody else of the tenant.',
    check: 'Split the batch, or write one statement that does the work of many.',
    who: 'client',
  },
  transaction_control: {
    kind: 'invalid',
    title: 'A transaction cannot be begun or ended by a statement',
    cause:
      'A request is one statement or one batch. BEGIN in one request has no meaning for the next one, COMMIT inside a batch would end its transaction early.',
    check: 'Send the statements of a transaction as one batch: {"queries": […]}.',
    who: 'client',
  },
  result_too_large: {
    kind: 'invalid',
    title: 'The result is larger than the plan allows',
    cause: 'The rows take more bytes than result_bytes_max of the plan; reading was stopped and the session closed.',
    check: 'Ask for fewer rows or columns (LIMIT), or move the tenant to a plan that allows more.',
    who: 'client',
  },
  tenant_busy: {
    kind: 'too-many',
    title: 'The tenant has too many requests under way',
    cause:
      'The sessions of the plan (runtime_sessions_max) are at work and the queue behind them (requests_waiting_max) is full.',
    check: 'Send fewer requests at a time, look for statements that take long, or move the tenant to a larger plan.',
    who: 'client',
  },
  rate_limited: {
    kind: 'too-many',
    title: 'The limit of requests a minute is reached',
    cause:
      'The plan limits the requests of the tenant, of one subject of its tokens or of one address; "limit" says which.',
    check: 'Wait for as long as Retry-After says; the headers RateLimit-Policy and RateLimit tell every limit.',
    who: 'client',
  },
  tenant_request_ended: {
    kind: 'internal',
    title: 'The database of a tenant was used after its request had ended',
    cause: 'A handler of the product answered before all its work was done, so what was left had no session any more.',
    check:
      'Await all work in the handler; give the middleware `streams` where the body itself reads from the database.',
    who: 'developer',
  },
} as const satisfies FaultTable;

const fault = faultsOf(runtimeFaults);

/** `message` is repeated as a member of the answer: Neon's driver shows it and nothing else of a problem document. */
export function runtimeFault(code: keyof typeof runtimeFaults, message: string, options: FaultOptions = {}) {
  return fault(code, message, { ...options, extra: { ...options.extra, message } });
}
