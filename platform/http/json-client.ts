// Owns speaking to a JSON API of ours from outside: problems become errors, what is safe to repeat is repeated when the server is
// away for a moment, streams of events are read as they come. Every call ends by its own time limit.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Problem, ProblemDetail } from './problem.ts';

/** A problem document (RFC 9457) as an error. `code` is stable: branch on it. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly ProblemDetail[];
  readonly requestId: string;
  readonly retryAfterMs: number | undefined;
  /** The members that only this code has, such as operation_id. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(problem: Problem, retryAfterMs?: number) {
    super(`${problem.detail} (${problem.code})`);
    const { type: _type, title, status, code, detail, request_id, errors, ...extra } = problem;
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.errors = errors ?? [];
    this.requestId = request_id;
    this.retryAfterMs = retryAfterMs;
    this.extra = extra;
  }
}

export type JsonClientOptions = {
  /** Such as http://127.0.0.1:7700; a path at its end is kept. */
  baseUrl: string;
  /** Sent as a bearer token. */
  token?: string | undefined;
  /** For one call with its repetitions, without what is asked to wait for. Default 30 s. */
  timeoutMs?: number | undefined;
  fetch?: typeof fetch | undefined;
};

export type JsonRequest = {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  query?: object | undefined;
  headers?: Record<string, string> | undefined;
  body?: unknown;
  /** May be sent twice without harm. Default: only GET. */
  repeatable?: boolean | undefined;
  /** Added to the time limit: what the server was asked to wait. */
  extraMs?: number | undefined;
  signal?: AbortSignal | undefined;
};

export type JsonAnswer<T> = { status: number; headers: Headers; body: T };
export type StreamEvent = { event: string; id: string; data: string };

export interface JsonClient {
  /** @throws ApiProblem; TypeError when the server cannot be reached; DOMException TimeoutError */
  send<T>(request: JsonRequest): Promise<JsonAnswer<T>>;
  /** Server-sent events until the server ends the stream. No time limit of its own: the server sends signs of life. */
  events(path: string, signal?: AbortSignal): AsyncGenerator<StreamEvent>;
  /** An answer of one JSON document a line, as they come. No time limit of its own, and never repeated. @throws ApiProblem */
  lines<T>(request: JsonRequest): AsyncGenerator<T>;
}

const attemptsMax = 4;
/** A server that asks for more than this is better asked by the caller, later. */
const retryAfterMaxMs = 5_000;

export function createJsonClient(options: JsonClientOptions): JsonClient {
  const { baseUrl, token, timeoutMs = 30_000, fetch: doFetch = fetch } = options;
  const base = baseUrl.replace(/\/+$/, '');
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  const once = async (request: JsonRequest, signal: AbortSignal): Promise<Response> => {
    const hasBody = request.body !== undefined;
    return await doFetch(`${base}${request.path}${queryText(request.query)}`, {
      method: request.method,
      headers: { ...authorization, ...(hasBody && { 'content-type': 'application/json' }), ...request.headers },
      ...(hasBody && { body: JSON.stringify(request.body) }),
      signal,
      redirect: 'error',
    });
  };

  return {
    async send<T>(request: JsonRequest): Promise<JsonAnswer<T>> {
      const signal = limited(timeoutMs + (request.extraMs ?? 0), request.signal);
      const repeatable = request.repeatable ?? request.method === 'GET';
      for (let attempt = 1; ; attempt++) {
        const mayRepeat = repeatable && attempt < attemptsMax;
        let answer: Response;
        try {
          answer = await once(request, signal);
        } catch (error) {
          if (!mayRepeat || signal.aborted) throw error;
          await sleep(pauseMs(attempt), undefined, { signal });
          continue;
        }
        if (answer.ok) return { status: answer.status, headers: answer.headers, body: (await answer.json()) as T };
        const problem = await readProblem(answer);
        if (!mayRepeat || !isWorthRepeating(problem)) throw problem;
        await sleep(problem.retryAfterMs ?? pauseMs(attempt), undefined, { signal });
      }
    },
    async *events(path, signal) {
      const answer = await doFetch(`${base}${path}`, {
        headers: { ...authorization, accept: 'text/event-stream' },
        ...(signal !== undefined && { signal }),
        redirect: 'error',
      });
      if (!answer.ok || answer.body === null) throw await readProblem(answer);
      yield* parseEvents(answer.body);
    },
    async *lines<T>(request: JsonRequest) {
      // It is stopped when the reader stops: what a loop leaves early must not go on at the server.
      const left = new AbortController();
      try {
        const signal = request.signal === undefined ? left.signal : AbortSignal.any([request.signal, left.signal]);
        const answer = await once(request, signal);
        if (!answer.ok || answer.body === null) throw await readProblem(answer);
        for await (const line of textParts(answer.body, '\n')) if (line !== '') yield JSON.parse(line) as T;
      } finally {
        left.abort();
      }
    },
  };
}

function limited(ms: number, signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(ms);
  return signal === undefined ? limit : AbortSignal.any([signal, limit]);
}

function pauseMs(attempt: number): number {
  return 100 * 2 ** attempt * (0.5 + Math.random() / 2);
}

/** Away for a moment, or busy with the first request of the same key. */
function isWorthRepeating({ status, code, retryAfterMs }: ApiProblem): boolean {
  const soon = retryAfterMs !== undefined && retryAfterMs <= retryAfterMaxMs;
  return soon && (status === 503 || code === 'idempotency_in_flight');
}

function queryText(query: object | undefined): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value]).filter((item) => item !== undefined).map((item) => [name, String(item)]),
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

/** Something between us and the server may answer in its own words. */
async function readProblem(answer: Response): Promise<ApiProblem> {
  const text = await answer.text().catch(() => '');
  const retryAfter = Number(answer.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1_000 : undefined;
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    if (typeof problem.code === 'string' && typeof problem.detail === 'string') {
      return new ApiProblem(problem as Problem, retryAfterMs);
    }
  } catch {
    // not JSON: told below
  }
  const { status, statusText } = answer;
  const requestId = answer.headers.get('x-request-id') ?? '';
  const detail = `The server answered ${status} ${statusText} without a problem document.`;
  return new ApiProblem(
    { type: 'about:blank', title: statusText, status, code: 'unexpected_answer', detail, request_id: requestId },
    retryAfterMs,
  );
}

/** The part of the event stream format that our servers use: event, id and data of one line each, comments between. */
async function* parseEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  for await (const block of textParts(body, '\n\n')) {
    const event: StreamEvent = { event: 'message', id: '', data: '' };
    for (const line of block.split('\n')) {
      const [, name, value = ''] = /^(event|id|data):\s?(.*)$/.exec(line) ?? [];
      if (name !== undefined) event[name as keyof StreamEvent] = value;
    }
    if (event.data !== '') yield event;
  }
}

/** What stands behind the last end was cut off and is not given out. */
async function* textParts(body: ReadableStream<Uint8Array>, end: string): AsyncGenerator<string> {
  const texts = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>);
  let rest: string[] = [];
  for await (const chunk of texts) {
    // Joined once for each part and not for each chunk: a line of megabytes comes in hundreds of them.
    rest.push(chunk);
    if (!chunk.includes(end.at(-1) as string)) continue;
    const parts = rest.join('').split(end);
    rest = [parts.pop() ?? ''];
    yield* parts;
  }
}
