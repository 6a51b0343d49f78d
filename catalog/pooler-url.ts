// Owns the address of a pooler in front of a cluster: `postgres://host:port`, with sslmode and nothing else. Checked where an operator
// gives it, read by the runtime. Whose login goes through it is decided for each session, so none stands in it.
import type { PostgresAddress } from '../platform/postgres/address.ts';
import { parseAddress } from '../platform/postgres/address.ts';

/** @throws TypeError with a message that holds no part of the URL but its parameter names */
export function readPoolerUrl(text: string): Pick<PostgresAddress, 'host' | 'port' | 'tls'> {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || !/^\/?$/.test(url.pathname) || url.hash !== '') {
    throw new TypeError('not a URL of the form postgres://host:port?sslmode=require, without login and database');
  }
  if (url.searchParams.has('host')) throw new TypeError('unknown parameter "host" in the URL of a pooler');
  if (url.port === '') throw new TypeError('the URL must name the port of the pooler');
  url.username = 'nobody';
  url.pathname = '/none';
  const { host, port, tls } = parseAddress(url.href);
  return { host, port, ...(tls !== undefined && { tls }) };
}
