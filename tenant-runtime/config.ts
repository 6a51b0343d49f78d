// Owns every setting of the tenant runtime. The table in README.md's reference is generated from this file.
import { type Config, defineConfig, setting } from '../platform/config.ts';
import { parseAddress } from '../platform/postgres/address.ts';
import { processSettings } from '../platform/process-settings.ts';
import { parseSealingKeys } from '../platform/sealing.ts';

export const runtimeConfig = defineConfig({
  FREEHOLD_RUNTIME_CATALOG_URL: {
    schema: setting.readableBy('URL (postgres, postgresql)', parseAddress),
    secret: true,
    help: 'The catalog database, as a login of the role freehold_runtime: it reads routes and public keys, nothing else.',
  },
  FREEHOLD_SEALING_KEYS: {
    schema: setting.readableBy('text', parseSealingKeys),
    secret: true,
    help: 'id:base64key[,id2:base64key2]: 32-byte keys that open stored secrets; the same as those of the control plane.',
  },
  FREEHOLD_RUNTIME_HOST: { schema: setting.text(), default: '127.0.0.1', help: 'Address the runtime listens on.' },
  FREEHOLD_RUNTIME_PORT: { schema: setting.port(), default: 7710, help: 'Port for tenants.' },
  FREEHOLD_RUNTIME_METRICS_PORT: {
    schema: setting.port(),
    default: 7711,
    help: 'Port of /metrics, never the one of tenants.',
  },
  FREEHOLD_RUNTIME_ISSUERS: {
    schema: setting.list().optional(),
    help: 'Accept only tokens of these issuers; unset: of every issuer whose keys the catalog publishes.',
  },
  FREEHOLD_RUNTIME_SNAPSHOT_FILE: {
    schema: setting.text().optional(),
    help: 'Sealed file with the last known routes and keys, for a start without the catalog; unset: none is kept.',
  },
  FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: {
    schema: setting.count(1, 10_000),
    default: 50,
    help: 'PostgreSQL sessions this process opens to one cluster, all tenants together.',
  },
  FREEHOLD_RUNTIME_SESSION_IDLE_MS: {
    schema: setting.ms(1_000, 3_600_000),
    default: 60_000,
    help: 'How long an unused session of a tenant is kept.',
  },
  FREEHOLD_RUNTIME_SESSION_WAIT_MS: {
    schema: setting.ms(10, 600_000),
    default: 5_000,
    help: 'How long a request waits for a session of its tenant before it is refused.',
  },
  FREEHOLD_RUNTIME_ROUTES_MAX: {
    schema: setting.count(1, 1_000_000),
    default: 20_000,
    help: 'Routes kept in memory, about 3 KiB each; beyond it the least recently used is forgotten.',
  },
  FREEHOLD_RUNTIME_ROUTE_REFRESH_MS: {
    schema: setting.ms(100, 3_600_000),
    default: 10_000,
    help: 'How often all known routes are compared with the catalog, in case a notification was lost.',
  },
  FREEHOLD_RUNTIME_ROUTE_AGE_MAX_MS: {
    schema: setting.ms(100, 86_400_000),
    default: 60_000,
    help: 'A route not confirmed for so long is confirmed before it is used. While the catalog is away the last known is used.',
  },
  FREEHOLD_RUNTIME_TOKENS_MAX: {
    schema: setting.count(1, 1_000_000),
    default: 20_000,
    help: 'Verified tokens kept in memory, about 1.5 KiB each.',
  },
  FREEHOLD_RUNTIME_CATALOG_SESSIONS_MAX: {
    schema: setting.count(1, 20),
    default: 3,
    help: 'Sessions this process opens to the catalog, beside the one that listens.',
  },
  FREEHOLD_RUNTIME_BODY_BYTES_MAX: {
    schema: setting.bytes(1_024, 1_073_741_824),
    default: 4_194_304,
    help: 'Largest body of a request.',
  },
  FREEHOLD_RUNTIME_DEADLINE_MS: {
    schema: setting.ms(100, 900_000),
    default: 65_000,
    help: 'Longest time of one request; the plan of a tenant bounds each statement in it.',
  },
  FREEHOLD_RUNTIME_HEARTBEAT_MS: {
    schema: setting.ms(500, 600_000),
    default: 5_000,
    help: 'How often this process tells the catalog that it lives.',
  },
  FREEHOLD_RUNTIME_SCHEMA_MIN: {
    schema: setting.readableBy('version of the tenant lane (digits)', readVersion).optional(),
    help: 'The oldest schema version that the application behind this runtime works with; tenants below it get 503 and are migrated first where a rollout is on demand.',
  },
  FREEHOLD_RUNTIME_SCHEMA_MAX: {
    schema: setting.readableBy('version of the tenant lane (digits)', readVersion).optional(),
    help: 'The newest schema version that it works with; a contract release waits for runtimes whose range ends before it.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_INTROSPECTION: {
    schema: setting.flag(),
    default: true,
    help: 'Whether GraphQL clients may ask for the schema (__schema, __type); false also withholds suggestions of names.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_DEPTH_MAX: {
    schema: setting.count(2, 100),
    default: 12,
    help: 'Levels of fields in one GraphQL operation.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_COST_MAX: {
    schema: setting.count(1, 1_000_000_000),
    default: 100_000,
    help: 'Cost of one GraphQL operation: each field counts once for every row of the lists it stands in, a list without first or last as 100 rows.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_BATCH_MAX: {
    schema: setting.count(1, 100),
    default: 10,
    help: 'GraphQL operations in one request.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_SCHEMAS_MAX: {
    schema: setting.count(1, 1_000),
    default: 20,
    help: 'GraphQL schemas kept in memory, some MiB each: two for each schema version in use, one for readers and one for writers.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_FILE: {
    schema: setting.text().optional(),
    help: 'JSON file of stored GraphQL operations: {"<SHA-256 of the document>": "<document>"}; unset: none are stored.',
  },
  FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_ONLY: {
    schema: setting.flag(),
    default: false,
    help: 'Answers only GraphQL operations of that file.',
  },
  FREEHOLD_RUNTIME_LIMITS_URL: {
    schema: setting.readableBy('URL (redis, rediss)', readRedisUrl).optional(),
    secret: true,
    help: 'Redis in which all runtimes count requests together for the rate limits of plans; unset, or away: each counts for itself.',
  },
  FREEHOLD_RUNTIME_REFUSED_TOKENS_PER_MINUTE: {
    schema: setting.count(1, 1_000_000_000),
    default: 6_000,
    help: 'Requests of one address whose token is refused; beyond it 429 in the place of 401. Good tokens of the address are served.',
  },
  FREEHOLD_RUNTIME_CLIENT_IP_HEADER: {
    schema: setting.text().optional(),
    help: 'Header in which the proxy in front tells the address of the client, such as x-forwarded-for; unset: the address of the connection.',
  },
  ...processSettings,
});

export type RuntimeConfig = Config<typeof runtimeConfig>;

function readRedisUrl(text: string): void {
  if (!/^rediss?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw new TypeError('not a URL of the form redis://host:port');
}

function readVersion(text: string): void {
  if (!/^\d{1,20}$/.test(text)) throw new TypeError('not the number that a migration file begins with');
}
