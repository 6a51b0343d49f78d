// Owns a TCP proxy that breaks connections the way networks do: late, silent, cut politely or rudely, cut half-way.
// A change of mode holds for connections that exist and for those to come.
import net from 'node:net';

export type FaultProxy = {
  readonly host: string;
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Connections accepted since the start. */
  readonly accepted: number;
  /** Each chunk is delivered so much later, in both directions and in order. */
  setLatency(ms: number): void;
  /** Half-open: bytes are swallowed in both directions, and nobody is told. New connections are accepted and get nothing. */
  blackhole(): void;
  /** The end of latency, blackhole and refusal. What was swallowed stays lost, and who has gone is noticed. */
  heal(): void;
  /** New connections are cut at once. */
  refuse(): void;
  /** Closes all connections with FIN on both sides. */
  cut(): void;
  /** Closes all connections with RST on both sides. */
  reset(): void;
  /** From now on, each connection is reset once the server has sent it so many bytes. */
  cutAfter(bytes: number): void;
  /** The n-th chunk that clients send from now on reaches the server; then its connection is reset before any answer. */
  resetAfterSend(n: number): void;
  /** Chunks that clients have sent since resetAfterSend or the start. */
  readonly sends: number;
  close(): Promise<void>;
};

export async function startFaultProxy(target: { host: string; port: number }): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  const mode = {
    latencyMs: 0,
    swallow: false,
    refuse: false,
    budget: Number.POSITIVE_INFINITY,
    lastSend: Number.POSITIVE_INFINITY,
  };
  let accepted = 0;
  let sends = 0;

  const server = net.createServer({ allowHalfOpen: false }, (client) => {
    accepted++;
    if (mode.refuse) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const upstream = net.connect({ host: target.host, port: target.port, noDelay: true });
    const pair: Pair = { client, upstream, leftBytes: mode.budget };
    pairs.add(pair);
    client.setNoDelay(true);
    pipe(client, upstream, () => {
      if (++sends !== mode.lastSend) return true;
      // Written first: the server acts on it, and nobody hears of it.
      setImmediate(() => resetAnswerOf(pair));
      return true;
    });
    pipe(upstream, client, (bytes) => {
      pair.leftBytes -= bytes;
      if (pair.leftBytes < 0) resetPair(pair);
      return pair.leftBytes >= 0;
    });
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        if (!mode.swallow) destroyPair(pair); // in a black hole nobody learns that the other side has gone
        if (client.destroyed && upstream.destroyed) pairs.delete(pair);
      });
    }
  });

  function pipe(from: net.Socket, to: net.Socket, mayPass: (bytes: number) => boolean): void {
    from.on('data', (chunk) => {
      if (mode.swallow || !mayPass(chunk.length)) return;
      const deliver = () => {
        if (!mode.swallow && !to.destroyed) to.write(chunk);
      };
      if (mode.latencyMs === 0) deliver();
      else setTimeout(deliver, mode.latencyMs);
    });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: (server.address() as net.AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    setLatency(ms) {
      mode.latencyMs = ms;
    },
    blackhole() {
      mode.swallow = true;
    },
    heal() {
      const never = Number.POSITIVE_INFINITY;
      Object.assign(mode, { latencyMs: 0, swallow: false, refuse: false, budget: never, lastSend: never });
      for (const pair of pairs) if (pair.client.destroyed || pair.upstream.destroyed) destroyPair(pair);
    },
    refuse() {
      mode.refuse = true;
    },
    cut() {
      for (const { client, upstream } of pairs) {
        client.end();
        upstream.end();
      }
    },
    reset() {
      for (const pair of pairs) resetPair(pair);
    },
    cutAfter(bytes) {
      mode.budget = bytes;
      for (const pair of pairs) pair.leftBytes = bytes;
    },
    resetAfterSend(n) {
      sends = 0;
      mode.lastSend = n;
    },
    get sends() {
      return sends;
    },
    async close() {
      for (const pair of pairs) destroyPair(pair);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

type Pair = { client: net.Socket; upstream: net.Socket; leftBytes: number };

function destroyPair({ client, upstream }: Pair): void {
  client.destroy();
  upstream.destroy();
}

/** The server's side ends in order, so that what was sent is still read there. */
function resetAnswerOf({ client, upstream }: Pair): void {
  client.resetAndDestroy();
  upstream.end();
}

function resetPair({ client, upstream }: Pair): void {
  client.resetAndDestroy();
  upstream.resetAndDestroy();
}
