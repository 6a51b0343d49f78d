// Owns the way from an error to an answer: the only place that knows both Fault kinds and HTTP statuses (RFC 9457).
// Promises that nothing but public texts leaves the process: an unknown error becomes "internal" and a request id.
import { HTTPException } from 'hono/http-exception';
import type { z } from 'zod';
import { edgeFault } from '../edge-faults.ts';
import { Fault, type FaultKind } from '../errors.ts';

export type Problem = {
  /** Relative to this server, where /docs/errors describes every code. */
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  request_id: string;
  errors?: ProblemDetail[];
  [extra: string]: unknown;
};

/** One place of the request that is wrong; `pointer` is a JSON pointer into the body, or "/name" of a parameter or header. */
export type ProblemDetail = { pointer: string; message: string };

const statusOfKind = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  conflict: 409,
  stale: 412,
  'too-large': 413,
  unprocessable: 422,
  locked: 423,
  'precondition-required': 428,
  'too-many': 429,
  internal: 500,
  unavailable: 503,
  timeout: 504,
} as const satisfies Record<FaultKind, number>;

export function statusOf(kind: FaultKind): number {
  return statusOfKind[kind];
}

export const problemType = 'application/problem+json';

export function problemOf(fault: Fault, requestId: string): Problem {
  return {
    ...fault.extra,
    type: `/docs/errors#${fault.code}`,
    title: fault.spec.title,
    status: statusOf(fault.kind),
    code: fault.code,
    detail: fault.message,
    request_id: requestId,
  };
}

export function problemHeaders(fault: Fault): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': problemType };
  if (fault.retryAfterMs !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(fault.retryAfterMs / 1000)));
  if (fault.kind === 'unauthenticated')
    headers['www-authenticate'] =
      fault.code === 'token_invalid' ? 'Bearer realm="freehold", error="invalid_token"' : 'Bearer realm="freehold"';
  if (fault.kind === 'too-large') headers.connection = 'close'; // the rest of the body is not read
  return headers;
}

/** Any thrown value as a Fault; the original is its cause. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (error instanceof HTTPException) {
    if (error.status === 404) return edgeFault('not_found', notFoundDetail, { cause: error });
    if (error.status < 500)
      return edgeFault('invalid_request', 'The request cannot be read; check its form.', { cause: error });
  }
  return edgeFault('internal', 'Something went wrong on our side. Give the request id when you ask for help.', {
    cause: error,
  });
}

export const notFoundDetail =
  'There is nothing here, or nothing you may know of. Check the method, the path and the id.';

type ValidationTarget = 'json' | 'form' | 'query' | 'param' | 'header' | 'cookie';

const codeOfTarget = {
  json: 'invalid_body',
  form: 'invalid_body',
  query: 'invalid_query',
  param: 'invalid_path',
  header: 'invalid_header',
  cookie: 'invalid_header',
} as const;

/** A schema that did not fit, as a Fault that names every place. */
export function validationFault(target: ValidationTarget, error: z.ZodError): Fault {
  const errors = error.issues.flatMap(detailsOf).slice(0, detailsMax);
  return edgeFault(codeOfTarget[target], 'Correct the places named in "errors" and send the request again.', {
    extra: { errors },
  });
}

/** For `new OpenAPIHono({ defaultHook: validationHook })`. */
export function validationHook(result: { target: string; success: boolean; error?: unknown }): void {
  if (!result.success) throw validationFault(result.target as ValidationTarget, result.error as z.ZodError);
}

/** A client mends a handful at a time; the rest would only let a small request cause a large answer. */
const detailsMax = 20;

function detailsOf(issue: z.core.$ZodIssue): ProblemDetail[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ pointer: pointerOf([...issue.path, key]), message: 'is not a known member' }));
  return [{ pointer: pointerOf(issue.path), message: issue.message.slice(0, 300) }];
}

/** RFC 6901. Names come from the client, so each is cut. */
function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
