// Owns the reading of configuration from environment variables. FREEHOLD_CATALOG_URL becomes `catalogUrl`, typed by
// its schema. Promises: every problem is reported at once; an unknown FREEHOLD_* variable is a problem, not a silence;
// a secret NAME may come from a file named by NAME_FILE; no value of a secret is ever repeated in a message.
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export type Setting = {
  /** Gets the text of the variable. Its description is the "type" column of the generated table. */
  readonly schema: z.ZodType;
  /** The text the variable would have; parsed by the schema too. Without it, and unless the schema is optional, the variable is required. */
  readonly default?: string | number | boolean;
  readonly help: string;
  readonly secret?: boolean;
};

export type ConfigSpec = Readonly<Record<string, Setting>>;

/** The values of a spec: FREEHOLD_DEADLINE_MS → deadlineMs. */
export type Config<S extends ConfigSpec> = {
  readonly [K in keyof S & string as ConfigKey<K>]: z.output<S[K]['schema']>;
};

export type ConfigKey<Name extends string> = Uncapitalize<
  CamelWords<Name extends `FREEHOLD_${infer Rest}` ? Rest : Name>
>;
type CamelWords<S extends string> = S extends `${infer Word}_${infer Rest}`
  ? `${Capitalize<Lowercase<Word>>}${CamelWords<Rest>}`
  : Capitalize<Lowercase<S>>;

/** All that is wrong with the configuration; main prints the message and exits with code 2. */
export class ConfigError extends Error {
  readonly code = 'invalid_config';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export function defineConfig<const S extends ConfigSpec>(spec: S): S {
  return spec;
}

export type LoadOptions = {
  /** FREEHOLD_* variables of other processes, which often share one environment file. */
  readonly alsoKnown?: Iterable<string>;
};

/** A variable that is set but empty counts as not set, as in compose files. Throws ConfigError. */
export function loadConfig<S extends ConfigSpec>(
  spec: S,
  env: Readonly<Record<string, string | undefined>>,
  options: LoadOptions = {},
): Config<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(spec)) {
    const text = textOf(name, setting, env, problems);
    if (text === failed) continue;
    if (text === undefined) {
      if (setting.schema instanceof z.ZodOptional) values[configKey(name)] = undefined;
      else problems.push(`${name} is required: ${setting.help}`);
      continue;
    }
    const parsed = setting.schema.safeParse(text);
    if (parsed.success) values[configKey(name)] = parsed.data;
    else problems.push(`${name} ${parsed.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  problems.push(...unknownVariables(spec, env, options.alsoKnown ?? []));
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Config<S>;
}

export type ConfigRow = { name: string; type: string; default: string; secret: boolean; help: string };

/** Rows of the generated table of variables, in the order of the spec. */
export function describeConfig(spec: ConfigSpec): ConfigRow[] {
  return Object.entries(spec).map(([name, setting]) => ({
    name,
    type: setting.schema.description ?? 'text',
    default:
      setting.default === undefined
        ? setting.schema instanceof z.ZodOptional
          ? 'unset'
          : 'required'
        : String(setting.default),
    secret: setting.secret ?? false,
    help: setting.help,
  }));
}

/** Schemas of the common kinds of setting. They read plain decimal text only: no "0x10", no " 5 ". */
export const setting = {
  text: () => z.string().min(1).describe('text'),
  /** 0 lets the system choose a free port. */
  port: () => wholeNumber(0, 65_535).describe('port'),
  count: (min: number, max: number) => wholeNumber(min, max).describe(`whole number ${min} to ${max}`),
  ms: (min: number, max: number) => wholeNumber(min, max).describe(`milliseconds ${min} to ${max}`),
  bytes: (min: number, max: number) => wholeNumber(min, max).describe(`bytes ${min} to ${max}`),
  flag: () =>
    z
      .enum(['true', 'false'], 'must be true or false')
      .transform((text) => text === 'true')
      .describe('true or false'),
  oneOf: <const T extends readonly [string, ...string[]]>(values: T) =>
    z.enum(values, `must be one of ${values.join(', ')}`).describe(values.join(' \\| ')),
  list: () =>
    z
      .string()
      .transform((text) =>
        text
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== ''),
      )
      .describe('comma-separated list'),
  /** What `read` takes without throwing; the text stays a text. What it throws must repeat nothing of a secret. */
  readableBy: (type: string, read: (text: string) => unknown) =>
    z
      .string()
      .superRefine((text, context) => {
        try {
          read(text);
        } catch (error) {
          context.addIssue(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
        }
      })
      .describe(type),
  url: (...schemes: string[]) =>
    z
      .string()
      .refine(
        (text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)),
        `must be a URL that starts with ${schemes.map((s) => `${s}://`).join(' or ')}`,
      )
      .describe(`URL (${schemes.join(', ')})`),
};

function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((n) => n >= min && n <= max, message);
}

const failed = Symbol('failed');

function textOf(name: string, spec: Setting, env: Readonly<Record<string, string | undefined>>, problems: string[]) {
  const direct = env[name] || undefined;
  const file = spec.secret ? env[`${name}_FILE`] || undefined : undefined;
  if (direct !== undefined && file !== undefined) {
    problems.push(`${name} and ${name}_FILE are both set: set one of them`);
    return failed;
  }
  if (file !== undefined) {
    try {
      const text = readFileSync(file, 'utf8').trim();
      if (text !== '') return text;
      problems.push(`${name}_FILE names an empty file: ${file}`);
    } catch (error) {
      problems.push(`${name}_FILE cannot be read: ${file} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    }
    return failed;
  }
  return direct ?? (spec.default === undefined ? undefined : String(spec.default));
}

function unknownVariables(
  spec: ConfigSpec,
  env: Readonly<Record<string, string | undefined>>,
  alsoKnown: Iterable<string>,
): string[] {
  const own = Object.entries(spec).flatMap(([name, s]) => (s.secret ? [name, `${name}_FILE`] : [name]));
  const known = new Set([...own, ...alsoKnown]);
  return Object.keys(env)
    .filter((name) => name.startsWith('FREEHOLD_') && !known.has(name))
    .map((name) => {
      const near = [...known].map((k) => ({ k, d: editDistance(name, k) })).sort((a, b) => a.d - b.d)[0];
      return `${name} is not a known variable${near && near.d <= 3 ? `: did you mean ${near.k}?` : ''}`;
    });
}

function configKey(name: string): string {
  return name
    .replace(/^FREEHOLD_/, '')
    .toLowerCase()
    .replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Levenshtein; names are short, so the plain table will do. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length] as number;
}
