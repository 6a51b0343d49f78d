// Owns the reading of request bodies: bounded by what really arrives (not by what was declared), JSON read strictly.
// Promises that a handler sees a whole body or none, and that nothing past the limit is kept in memory.
import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { edgeFault } from '../edge-faults.ts';
import { parseStrictJson } from '../strict-json.ts';

export type BodyRules = {
  readonly limitBytes: number;
  /** Paths that take more, with their limit. */
  readonly limitBytesByPath: ReadonlyMap<string, number>;
  /** Paths whose body is JSON whatever Content-Type says: some clients send JSON as text/plain. */
  readonly untypedJsonPaths: ReadonlySet<string>;
};

/** The parsed body, or undefined where there is none. Hono's own readers (json, text) see the same bytes afterwards. */
export async function readJsonBody(c: Context, rules: BodyRules): Promise<unknown> {
  if (c.req.method === 'GET' || c.req.method === 'HEAD' || !hasBody(c)) return undefined;
  const limitBytes = rules.limitBytesByPath.get(c.req.path) ?? rules.limitBytes;
  checkHeaders(c, rules, limitBytes);
  const incoming = (c.env as Partial<HttpBindings> | undefined)?.incoming;
  const bytes = incoming ? await readIncoming(incoming, limitBytes) : await readWeb(c.req.raw, limitBytes);
  if (bytes.length === 0) return undefined;
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(bytes);
    value = parseStrictJson(text);
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : 'not UTF-8';
    throw edgeFault('invalid_json', `The body is not acceptable JSON: ${reason}.`, { cause });
  }
  c.req.bodyCache.text = Promise.resolve(text) as never;
  return value;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const jsonType = /^application\/(?:[\w.-]+\+)?json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*$/i;

function hasBody(c: Context): boolean {
  const length = c.req.header('content-length');
  return (
    c.req.header('transfer-encoding') !== undefined ||
    (length === undefined ? c.env?.incoming === undefined && c.req.raw.body !== null : length !== '0')
  );
}

function checkHeaders(c: Context, rules: BodyRules, limitBytes: number): void {
  const encoding = c.req.header('content-encoding');
  if (encoding !== undefined && encoding !== 'identity')
    throw edgeFault('unsupported_media_type', 'Send the body without Content-Encoding.');
  if (!rules.untypedJsonPaths.has(c.req.path) && !jsonType.test(c.req.header('content-type') ?? '')) {
    throw edgeFault('unsupported_media_type', 'Send the body as JSON with "Content-Type: application/json".');
  }
  if (Number(c.req.header('content-length') ?? 0) > limitBytes) throw tooLarge(limitBytes);
}

function tooLarge(limitBytes: number) {
  return edgeFault('body_too_large', `The body is larger than ${limitBytes} bytes.`);
}

/** Straight from the socket's stream: through a web stream the same costs three times as much. */
function readIncoming(incoming: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (act: () => void) => {
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      act();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else settle(() => reject(tooLarge(limitBytes)));
    };
    const onEnd = () => settle(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    const onGone = () =>
      settle(() => reject(edgeFault('client_closed', 'The connection was closed before the body was complete.')));
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    if (incoming.destroyed && !incoming.readableEnded) onGone();
  });
}

/** For requests made in the process, which have no socket. */
async function readWeb(request: Request, limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    size += chunk.length;
    if (size > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
