// Owns the one list of what must never be written down: names whose values are secret, and shapes of secret text.
// Used by the log and by everything else that shows the inside of the program to people.

const redacted = '[redacted]';

/** Compared in lower case without '-' and '_'; a name also counts when it ends with one of them ("dbPassword"). */
const secretNames = [
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'password',
  'passwd',
  'pgpassword',
  'secret',
  'token',
  'apikey',
  'privatekey',
  'sealed',
  'sealingkey',
  'credential',
  'credentials',
  'verifier',
  'connectionstring',
  'neonconnectionstring',
  'catalogurl',
  'queueurl',
  'privatejwk',
];

/** Each replaces only the secret part; the rest of the line stays readable. Written for text inside JSON, so a quote or a backslash ends a value. */
const secretShapes: readonly (readonly [RegExp, string])[] = [
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/"\\]*):[^\s@"\\]+@/gi, `$1:${redacted}@`], // password in a URL
  [/\beyJ[\w-]{6,}\.[\w-]{2,}\.[\w-]*/g, redacted], // JWT
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${redacted}`],
  [/\bfhk_[0-9A-Z]{26}_[\w-]{43}/g, redacted], // API key
  [/\bSCRAM-SHA-256\$[^\s"\\]+/g, redacted],
  [/\bv1\.[\w-]{1,64}\.[\w-]{40,}(\.[\w-]+)*/g, redacted], // sealed by platform/sealing.ts
  [/\b(PASSWORD\s+)(E?'(?:[^'"\\]|'')*')/gi, `$1${redacted}`], // SQL
  [/\b((?:pg)?(?:password|passwd|pwd|secret|token|api[_-]?key))(\s*=\s*)[^\s&"'\\,;]+/gi, `$1$2${redacted}`], // key=value
  [
    /(\\"[\w-]*(?:password|secret|token|authorization|cookie|api_?key)\\"\s*:\s*\\")(?:[^"\\]|\\\\.)*/gi,
    `$1${redacted}`,
  ], // JSON quoted in a text
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*?-----END [A-Z ]*PRIVATE KEY-----/g, redacted],
];

/** Removes what looks like a secret from a text. */
export function scrubText(text: string): string {
  let result = text;
  for (const [shape, replacement] of secretShapes) result = result.replace(shape, replacement);
  return result;
}

export function isSecretName(name: string): boolean {
  const known = namesSeen.get(name);
  if (known !== undefined) return known;
  const plain = name.toLowerCase().replace(/[-_]/g, '');
  const secret = secretNames.some((s) => plain === s || plain.endsWith(s) || plain.endsWith(`${s}s`));
  if (namesSeen.size < namesSeenMax) namesSeen.set(name, secret);
  return secret;
}

/** A copy without values under secret names; errors become plain objects; anything deeper than 8 levels is cut. */
export function redactByName(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describeError(value, depth);
  if (depth >= 8) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => redactByName(item, depth + 1));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return redactByName(Object.fromEntries(value), depth);
  if (value instanceof Headers) return redactByName(Object.fromEntries(value), depth);
  if (value instanceof Set) return redactByName([...value], depth);
  if ('toJSON' in value && typeof value.toJSON === 'function') return redactByName(value.toJSON(), depth + 1);
  const copy: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    copy[name] = isSecretName(name) && item !== undefined && item !== null ? redacted : redactByName(item, depth + 1);
  }
  return copy;
}

/** Type, message, stack, own fields (code, internal, sqlstate, …) and the chain of causes. Statement parameters are values of tenants: left out. */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const { cause, ...own } = error as Error & Record<string, unknown>;
  const fields: Record<string, unknown> = { type: error.name, message: error.message };
  for (const [name, item] of Object.entries(own)) {
    if (!errorFieldsLeftOut.has(name)) fields[name] = isSecretName(name) ? redacted : redactByName(item, depth + 1);
  }
  fields.stack = error.stack;
  if (error.cause !== undefined && error.cause !== null)
    fields.cause = depth >= 5 ? '[too deep]' : redactByName(error.cause, depth + 1);
  if (error instanceof AggregateError) fields.errors = redactByName(error.errors, depth + 1);
  return fields;
}

/** `spec` is the same text at every occurrence; the others carry statements' values or the row that broke a constraint. */
const errorFieldsLeftOut = new Set([
  'name',
  'message',
  'stack',
  'spec',
  'parameters',
  'args',
  'types',
  'detail',
  'where',
]);

/** Names of fields are few; the bound only guards against objects used as maps. */
const namesSeenMax = 2_000;
const namesSeen = new Map<string, boolean>();
