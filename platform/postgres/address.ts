// Owns where a PostgreSQL server is and how to log in there, as a value, and its URL form.
// A password is inside: print an address only through describeAddress.

export type TlsMode = 'disable' | 'require' | 'verify-full';

export type PostgresAddress = {
  /** A name, an IP address, or the directory of a Unix socket (begins with a slash). */
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  /** Default `disable`. `require` encrypts without checking who answers; `verify-full` checks name and chain. */
  tls?: TlsMode;
  /** PEM of the certificate authority, for `verify-full`; the system's own list when absent. */
  ca?: string;
};

/**
 * `postgres://user:password@host:5432/database?sslmode=verify-full`. Unknown query parameters are refused, so that a
 * misspelt sslmode does not silently mean a clear connection.
 * @throws TypeError with a message that holds no part of the URL but its parameter names
 */
export function parseAddress(url: string): PostgresAddress {
  const parsed = URL.parse(url);
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new TypeError('not a URL of the form postgres://user:password@host:port/database');
  }
  const database = decodeURIComponent(parsed.pathname.slice(1));
  const user = decodeURIComponent(parsed.username);
  const socketDirectory = parsed.searchParams.get('host');
  const host = socketDirectory ?? parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '' || user === '' || database === '') throw new TypeError('the URL must name host, user and database');
  const address: PostgresAddress = {
    host: decodeURIComponent(host),
    port: parsed.port === '' ? 5432 : Number(parsed.port),
    database,
    user,
    password: decodeURIComponent(parsed.password),
  };
  for (const [name, value] of parsed.searchParams) {
    if (name === 'sslmode') address.tls = tlsModeOf(value);
    else if (name !== 'host') throw new TypeError(`unknown parameter ${JSON.stringify(name)} in a postgres URL`);
  }
  return checkAddress(address);
}

/** `user@host:port/database`, for logs. */
export function describeAddress(address: PostgresAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.user}@${host}:${address.port}/${address.database}`;
}

/** Names travel in a message of zero-terminated strings, so a zero byte in one of them would begin another. */
export function checkAddress(address: PostgresAddress): PostgresAddress {
  for (const part of [address.host, address.database, address.user, address.password]) {
    if (part.includes('\0')) throw new TypeError('a postgres address must not contain a zero byte');
  }
  return address;
}

function tlsModeOf(value: string): TlsMode {
  if (value === 'disable' || value === 'require' || value === 'verify-full') return value;
  throw new TypeError('sslmode must be disable, require or verify-full');
}
