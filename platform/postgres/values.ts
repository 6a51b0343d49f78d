// Owns how JavaScript values become PostgreSQL text and back. Parameters are always sent as text and the server infers
// their types, so no value is ever guessed into a type: 7 fits int2, int8, numeric and text alike.

/**
 * One parameter on its way. postgres.js asks toString() for it, or toJson() where the server says the type is json
 * or jsonb; it is an object of ours so that postgres.js does not infer a type from the value.
 *
 * string as it is (also for json: it is taken as JSON text) · number, bigint, boolean · Date as ISO 8601 in UTC ·
 * Uint8Array as bytea · array as a PostgreSQL array of any depth, null inside as NULL, or as JSON for a json
 * parameter · any other object as JSON.
 */
export class Parameter {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  toString(): string {
    return textOf(this.#value);
  }

  toJson(): string {
    return typeof this.#value === 'string' ? this.#value : jsonOf(this.#value);
  }
}

/** @throws TypeError for undefined, functions and symbols: each of them is a mistake, and NULL would hide it. */
export function parameterOf(value: unknown): Parameter | null {
  if (value === null) return null;
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`a query parameter must not be ${typeof value}; use null for NULL`);
  }
  return new Parameter(value);
}

/** `types` for postgres.js: replaces every serializer and parser that it has of its own. */
export const wireTypes = {
  json: {
    to: 114,
    from: [114, 3802],
    // A string is what an earlier attempt of the same query made: postgres.js prepares again after a schema change.
    serialize: (x: unknown) => (x instanceof Parameter ? x.toJson() : x),
    parse: (x: string) => JSON.parse(x) as unknown,
  },
  // Numbers that a double holds exactly. int8 (20) and numeric (1700) stay strings.
  number: { to: 23, from: [21, 23, 26, 700, 701], serialize: asText, parse: Number },
  boolean: { to: 16, from: [16], serialize: asText, parse: isTrue },
  instant: { to: 1184, from: [1184], serialize: asText, parse: instantOf },
  // date and timestamp without time zone are no instants; a Date would depend on this machine's time zone.
  localTime: { to: 1114, from: [1082, 1114], serialize: asText, parse: undefined as unknown as (x: string) => unknown },
  bytes: { to: 17, from: [17], serialize: asText, parse: bytesOf },
  string: { to: 25, from: [25], serialize: asText, parse: undefined as unknown as (x: string) => unknown },
  // fetch_types is off (it costs 30 % of a connect), so the array types of the built-in types are named here.
  textArray: arrayType([1009, 1015, 1002, 1003, 2951, 1016, 1231, 1182, 1115, 1041, 651], (x) => x),
  numberArray: arrayType([1005, 1007, 1028, 1021, 1022], Number),
  booleanArray: arrayType([1000], isTrue),
  instantArray: arrayType([1185], instantOf),
  jsonArray: arrayType([199, 3807], (x) => JSON.parse(x) as unknown),
  bytesArray: arrayType([1001], bytesOf),
};

/** Reads `{a,"b c",NULL,{…}}`. PostgreSQL's box[] (delimiter `;`) is not read; bounds (`[2:3]=`) are dropped. */
export function parseArray(text: string, element: (x: string) => unknown): unknown[] {
  let at = text.indexOf('{');
  return list();

  function list(): unknown[] {
    const items: unknown[] = [];
    at++; // {
    while (text[at] !== '}') {
      if (at >= text.length) throw new TypeError('malformed array');
      if (text[at] === ',') at++;
      items.push(text[at] === '{' ? list() : text[at] === '"' ? element(quoted()) : bare());
    }
    at++; // }
    return items;
  }

  function quoted(): string {
    let out = '';
    for (at++; text[at] !== '"'; at++) {
      if (at >= text.length) throw new TypeError('malformed array');
      if (text[at] === '\\') at++;
      out += text[at];
    }
    at++;
    return out;
  }

  function bare(): unknown {
    const start = at;
    while (at < text.length && text[at] !== ',' && text[at] !== '}') at++;
    const item = text.slice(start, at);
    return item === 'NULL' ? null : element(item);
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  }
  if (Array.isArray(value)) return arrayOf(value);
  if (typeof value === 'object' && value !== null) return jsonOf(value);
  return String(value);
}

function arrayOf(items: readonly unknown[]): string {
  const parts = items.map((item) => {
    if (item === null || item === undefined) return 'NULL';
    if (Array.isArray(item)) return arrayOf(item);
    return `"${textOf(item).replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${parts.join(',')}}`;
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_key, x: unknown) => (typeof x === 'bigint' ? x.toString() : x));
}

function arrayType(from: number[], element: (x: string) => unknown) {
  return { to: from[0] as number, from, serialize: asText, parse: (x: string) => parseArray(x, element) };
}

function asText(x: unknown): string {
  return String(x);
}

function isTrue(x: string): boolean {
  return x === 't';
}

/** A Date, or the text where a Date cannot hold it (infinity, years before Christ). Microseconds are cut. */
function instantOf(x: string): Date | string {
  const date = new Date(x);
  return Number.isNaN(date.getTime()) ? x : date;
}

function bytesOf(x: string): Buffer {
  return Buffer.from(x.slice(2), 'hex');
}
