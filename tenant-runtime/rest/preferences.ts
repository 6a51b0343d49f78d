// Owns what a request says in its headers: Prefer, Accept, Range, profile. Unknown preferences are ignored, as RFC 7240 has it,
// unless handling=strict asks for the contrary.
import { RestError } from './rest-error.ts';

export type Count = 'exact' | 'planned' | 'estimated';

export type Preferences = {
  readonly returning: 'representation' | 'minimal' | 'headers-only' | undefined;
  readonly count: Count | undefined;
  readonly resolution: 'merge-duplicates' | 'ignore-duplicates' | undefined;
  readonly missingDefault: boolean;
  readonly rollback: boolean;
  readonly maxAffected: number | undefined;
  /** For Preference-Applied. */
  readonly applied: readonly string[];
};

const known: readonly RegExp[] = [
  /^return=(representation|minimal|headers-only)$/,
  /^count=(exact|planned|estimated)$/,
  /^resolution=(merge-duplicates|ignore-duplicates)$/,
  /^missing=(default|null)$/,
  /^tx=(commit|rollback)$/,
  /^handling=(strict|lenient)$/,
  /^max-affected=(\d{1,9})$/,
];

/** @throws RestError PGRST122 */
export function parsePreferences(header: string | undefined): Preferences {
  const words = (header ?? '').split(',').map((word) => word.trim());
  const found = new Map<string, string>();
  const invalid: string[] = [];
  for (const word of words.filter((each) => each !== '')) {
    const value = known.map((form) => form.exec(word)?.[1]).find((each) => each !== undefined);
    if (value === undefined) invalid.push(word.slice(0, 50));
    else if (!found.has(keyOf(word))) found.set(keyOf(word), value); // the first of two counts
  }
  const strict = found.get('handling') === 'strict';
  if (strict && invalid.length > 0) {
    throw new RestError('PGRST122', 'Invalid preferences given with handling=strict', {
      details: `Invalid preferences: ${invalid.join(', ')}`,
    });
  }
  return {
    returning: found.get('return') as Preferences['returning'],
    count: found.get('count') as Count | undefined,
    resolution: found.get('resolution') as Preferences['resolution'],
    missingDefault: found.get('missing') === 'default',
    rollback: found.get('tx') === 'rollback',
    maxAffected: strict && found.has('max-affected') ? Number(found.get('max-affected')) : undefined,
    applied: [...found].filter(([key]) => strict || key !== 'max-affected').map(([key, value]) => `${key}=${value}`),
  };
}

function keyOf(word: string): string {
  return word.slice(0, word.indexOf('='));
}

export type MediaType = {
  readonly kind: 'array' | 'object' | 'csv' | 'openapi';
  readonly stripNulls: boolean;
};

/** The first that is served, in the order of the header. @throws RestError PGRST107 */
export function parseAccept(header: string | undefined, root: boolean): MediaType {
  const types = (header ?? '*/*').split(',').map((type) => type.trim().toLowerCase());
  for (const type of types) {
    const [name = '', ...parameters] = type.split(';').map((part) => part.trim());
    const stripNulls = parameters.includes('nulls=stripped');
    if (root && (name === 'application/openapi+json' || name === 'application/json' || name.endsWith('/*'))) {
      return { kind: 'openapi', stripNulls: false };
    }
    if (root) continue;
    if (name === 'application/json' || name === '*/*' || name === 'application/*')
      return { kind: 'array', stripNulls: false };
    if (name === 'application/vnd.pgrst.array+json') return { kind: 'array', stripNulls };
    if (name === 'application/vnd.pgrst.object+json' || name === 'application/vnd.pgrst.object') {
      return { kind: 'object', stripNulls };
    }
    if (name === 'text/csv' || name === 'text/*') return { kind: 'csv', stripNulls: false };
  }
  throw new RestError(
    'PGRST107',
    `None of these media types are available: ${types
      .map((type) => type.slice(0, 60))
      .slice(0, 10)
      .join(', ')}`,
  );
}

export function contentType({ kind, stripNulls }: MediaType): string {
  if (kind === 'csv') return 'text/csv; charset=utf-8';
  if (kind === 'openapi') return 'application/openapi+json; charset=utf-8';
  if (kind === 'array' && !stripNulls) return 'application/json; charset=utf-8';
  return `application/vnd.pgrst.${kind}+json${stripNulls ? ';nulls=stripped' : ''}; charset=utf-8`;
}

/** `0-9` or `10-`; undefined where there is none, or one of another unit. @throws RestError PGRST103 */
export function parseRange(header: string | undefined): { offset: number; limit: number | undefined } | undefined {
  const found = /^(?:items=)?(\d{1,15})-(\d{1,15})?$/.exec(header?.trim() ?? '');
  if (found === null) return undefined;
  const from = Number(found[1]);
  if (found[2] === undefined) return { offset: from, limit: undefined };
  if (Number(found[2]) < from) {
    throw new RestError('PGRST103', 'Requested range not satisfiable', {
      details: 'The lower boundary must be lower than or equal to the upper boundary in the Range header.',
    });
  }
  return { offset: from, limit: Number(found[2]) - from + 1 };
}

/** @throws RestError PGRST106 */
export function checkProfile(header: string | undefined): void {
  if (header === undefined || header === 'public') return;
  throw new RestError('PGRST106', 'The schema must be one of the following: public');
}
