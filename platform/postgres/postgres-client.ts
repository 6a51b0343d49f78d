// Owns how postgres.js is set up: one connection on a wire of ours, no timers, no reconnect, types of ours.
import postgres from 'postgres';
import type { PostgresAddress } from './address.ts';
import { PostgresError } from './errors.ts';
import type { Notice, SessionSettings } from './session-types.ts';
import { wireTypes } from './values.ts';
import type { Wire } from './wire.ts';

export type Answer = unknown[] & {
  count: number | null;
  command: string | null;
  columns?: { name: string; type: number }[];
};
export type Pending = PromiseLike<Answer> & { state?: { pid: number; secret: number } | null };
export type Client = {
  unsafe(
    text: string,
    params: unknown[],
    options: { prepare: boolean; simple: boolean },
  ): Pending & { values(): Pending; raw(): Pending };
};

/**
 * The wire is given to postgres.js once; when it asks for another, to reconnect, it is refused, so a reconnect is
 * impossible whatever path of that library wants it.
 */
export function createClient(address: PostgresAddress, settings: SessionSettings, wire: Wire): Client {
  let given = false;
  const options = {
    host: address.host,
    port: address.port,
    database: address.database,
    username: address.user,
    password: () => address.password, // a function, since '' would make it look into the environment
    socket: () => {
      if (given) throw new Error('a session is never reconnected');
      given = true;
      return wire;
    },
    max: 1,
    ssl: false, // the socket is encrypted already where it should be
    sslnegotiation: null,
    idle_timeout: 0,
    connect_timeout: 0,
    max_lifetime: 0,
    backoff: 0,
    keep_alive: 0,
    max_pipeline: 1,
    prepare: true, // as each query says
    debug: false,
    fetch_types: false,
    publications: '',
    target_session_attrs: null,
    connection: { ...settings.parameters, application_name: settings.applicationName },
    types: wireTypes,
    onnotice: (notice: Notice) => settings.onNotice?.(notice),
    ...(settings.onNotify && { onnotify: settings.onNotify }),
  };
  return postgres(options as unknown as postgres.Options<Record<string, postgres.PostgresType>>) as unknown as Client;
}

/** SQL travels zero-terminated: what follows a zero byte would be read as further protocol. */
export function checkText(text: string): void {
  if (text.includes('\0')) throw new PostgresError({ code: '22021', message: 'the statement contains a zero byte' });
}

export function checkCount(params: readonly unknown[]): void {
  // The protocol counts them in 16 bits; postgres.js stops one below.
  if (params.length >= 65_534) throw new PostgresError({ code: '54023', message: 'more than 65,533 parameters' });
}
