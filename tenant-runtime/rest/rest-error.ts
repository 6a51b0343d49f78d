// Owns the errors of the REST API in the dialect of PostgREST: {code, message, details, hint} and the HTTP status that goes with
// each. A PGRST code is declared in the table below and nowhere else; PostgreSQL's own errors keep their SQLSTATE. Promises that
// nothing a client can send is answered with 5xx, and that no text of a statement leaves the process.
import type { Fault } from '../../platform/errors.ts';
import type { PostgresError } from '../../platform/postgres/errors.ts';

export const restPath = '/v1/rest';

/** What a client of the dialect reads of a problem document: what was refused before it was a request of this API, or by the runtime. */
export function problemMembers({ message, spec }: Fault, path: string): Record<string, unknown> | undefined {
  if (path !== restPath && !path.startsWith(`${restPath}/`)) return undefined;
  return { message, details: null, hint: spec.check };
}

export const restCodes = {
  PGRST100: { status: 400, meaning: 'a parameter of the query cannot be parsed' },
  PGRST102: { status: 400, meaning: 'the body is not what this method takes' },
  PGRST103: { status: 416, meaning: 'the range lies outside of the result, or is none' },
  PGRST105: { status: 405, meaning: 'PUT needs the whole primary key as eq filters' },
  PGRST106: { status: 406, meaning: 'only the schema public is served' },
  PGRST107: { status: 406, meaning: 'no media type that was asked for is served' },
  PGRST108: { status: 400, meaning: 'a parameter names an embedded resource that select does not' },
  PGRST116: { status: 406, meaning: 'one object was asked for and there are none or many' },
  PGRST117: { status: 405, meaning: 'the method is not served' },
  PGRST118: { status: 400, meaning: 'ordering by a resource that is not to-one' },
  PGRST119: { status: 400, meaning: 'spreading a resource that is not to-one' },
  PGRST122: { status: 400, meaning: 'handling=strict and an unknown preference' },
  PGRST123: { status: 400, meaning: 'aggregate functions are not served' },
  PGRST124: { status: 400, meaning: 'more rows are affected than max-affected allows' },
  PGRST125: { status: 404, meaning: 'the path has too many parts' },
  PGRST200: { status: 400, meaning: 'no relationship between two tables' },
  PGRST201: { status: 300, meaning: 'more than one relationship between two tables' },
  PGRST202: { status: 404, meaning: 'no function takes these arguments' },
  PGRST203: { status: 300, meaning: 'more than one function takes these arguments' },
  PGRST204: { status: 400, meaning: 'the body has a column that the table has not' },
  PGRST205: { status: 404, meaning: 'no such table' },
} as const;

export type RestCode = keyof typeof restCodes;

export class RestError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: string | object | null;
  readonly hint: string | null;

  constructor(
    code: RestCode | { sqlstate: string; status: number },
    message: string,
    more: { details?: string | object | null; hint?: string | null } = {},
  ) {
    super(message);
    this.name = 'RestError';
    this.status = typeof code === 'string' ? restCodes[code].status : code.status;
    this.code = typeof code === 'string' ? code : code.sqlstate;
    this.details = more.details ?? null;
    this.hint = more.hint ?? null;
  }
}

/** In the words of PostgreSQL, found before it was asked. */
export function noColumn(table: string, name: string): RestError {
  return new RestError({ sqlstate: '42703', status: 400 }, `column ${table}.${name} does not exist`);
}

/** An error of the tenant's database as the client gets it; undefined where it is one of the server and not of the request. */
export function ofPostgres(error: PostgresError): RestError | undefined {
  const { sqlstate, message, detail, hint } = error;
  const status = statusOf(sqlstate);
  if (status === undefined) return undefined;
  return new RestError({ sqlstate, status }, message, { details: detail ?? null, hint: hint ?? null });
}

function statusOf(sqlstate: string): number | undefined {
  const own = /^PT(\d{3})$/.exec(sqlstate)?.[1]; // raise sqlstate 'PT402': the product's function chose its status
  if (own !== undefined) return Number(own) >= 400 && Number(own) < 500 ? Number(own) : 400;
  if (sqlstate === '57014') return 400; // the statement timeout of the plan: the statement is what was wrong
  const exact = statusOfState[sqlstate];
  if (exact !== undefined) return exact;
  return ofClass[sqlstate.slice(0, 2)] === 'server' ? undefined : 400;
}

const statusOfState: Readonly<Record<string, number>> = {
  '23503': 409, // foreign_key_violation
  '23505': 409, // unique_violation
  '23P01': 409, // exclusion_violation
  '25006': 405, // read_only_sql_transaction: a GET of a function that writes
  '40001': 409, // serialization_failure
  '40P01': 409, // deadlock_detected
  '42501': 403, // insufficient_privilege
  '42883': 404, // undefined_function
  '42P01': 404, // undefined_table
  '55P03': 409, // lock_not_available
};

/** Connection, resources, operator intervention, system, configuration, internal: nothing that a request decides. */
const ofClass: Readonly<Record<string, 'server'>> = {
  '08': 'server',
  '53': 'server',
  '57': 'server',
  '58': 'server',
  F0: 'server',
  XX: 'server',
};
