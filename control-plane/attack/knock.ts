// Owns sending one request as an attacker would: header by header, also twice and in forms that a client library refuses to send.
// An answer is judged by its status and by whose data is in it.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export type Knock = {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** In order; a name may come twice. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** A text goes as it stands, everything else as JSON. */
  readonly body?: unknown;
};

export type Answer = { readonly status: number; readonly text: string; readonly json: Record<string, unknown> };

/** Longer than any deadline of the runtime: what takes longer is told as status 0. */
const patienceMs = 60_000;

/** Never throws: a connection that ends without an answer is an answer with status 0. */
export function knock(baseUrl: string, { method = 'GET', path, headers = [], body }: Knock): Promise<Answer> {
  const url = new URL(baseUrl);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const payload = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  const flat = ['host', url.host, ...headers.flat()];
  if (payload !== undefined)
    flat.push('content-type', 'application/json', 'content-length', String(Buffer.byteLength(payload)));
  return new Promise((resolve) => {
    const nothing = (why: string) => resolve({ status: 0, text: why, json: {} });
    try {
      const { hostname, port } = url;
      const options = { hostname, port, method, path: `${url.pathname.replace(/\/$/, '')}${path}`, headers: flat };
      const asked = send({ ...options, setDefaultHeaders: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('error', (error) => nothing(error.message));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, json: parsed(text) }));
      });
      asked.setTimeout(patienceMs, () => asked.destroy(new Error('no answer in 60 s')));
      asked.on('error', (error) => nothing(error.message));
      asked.end(payload);
    } catch (error) {
      // Node itself will not send it, so nobody can be asked.
      nothing(error instanceof Error ? error.message : String(error));
    }
  });
}

export function bearer(token: string): readonly [name: string, value: string] {
  return ['authorization', `Bearer ${token}`];
}

/** For the report: the status and the code of a problem document, or the first words. */
export function told({ status, text, json }: Answer): string {
  if (typeof json.code === 'string') return `${status} ${json.code}`;
  return `${status} ${text.replaceAll(/\s+/g, ' ').slice(0, 60)}`.trim();
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
