// Owns how the figures of the route bench are told: each round, and ratios of the same round with their spread.
export type Measured = {
  perSecond: number;
  /** Processor time of the server processes, and of PostgreSQL's, for each request. */
  serverMicros: number;
  postgresMicros: number;
};

/** Numerator, denominator, target. */
const pairs: readonly [string, string, string][] = [
  ['routed', 'fixed', '≥ 0.85'],
  ['routed-one-tenant', 'fixed', ''],
  ['routed-zipf', 'fixed', ''],
  ['uncached', 'fixed', ''],
  ['uncached', 'routed', ''],
  ['routed', 'wide', ''],
  ['wide', 'fixed', ''],
  ['routed', 'plain', ''],
  ['fixed', 'plain', ''],
  ['routed-two-processes', 'routed', ''],
  ['fixed', 'floor', ''],
];

export function reportRoute(measured: Record<string, Measured[]>, settings: Record<string, number>): void {
  const told = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  console.log(`\n${told.join(', ')}; requests per second in each round`);
  table(measured, ({ perSecond }) => perSecond);
  console.log('Processor time of the server process for each request, in µs, in each round');
  table(measured, ({ serverMicros }) => serverMicros);
  console.log('Processor time of PostgreSQL for each request, in µs, in each round');
  table(measured, ({ postgresMicros }) => postgresMicros);
  const known = pairs.filter(([a, b]) => measured[a] !== undefined && measured[b] !== undefined);
  const ratios = (of: (one: Measured) => number) =>
    known.map(([a, b, target]) => {
      const each = (measured[a] ?? []).map((one, round) => of(one) / of(measured[b]?.[round] as Measured));
      return { ratio: `${a} / ${b}`, ...spreadOf(each), target };
    });
  console.log('Throughput');
  console.table(ratios(({ perSecond }) => perSecond));
  console.log(
    'Processor time of server and PostgreSQL together, the other way round: what throughput would be without other load',
  );
  const cpu = ({ serverMicros, postgresMicros }: Measured) => 1 / (serverMicros + postgresMicros);
  if (
    Object.values(measured)
      .flat()
      .every((one) => Number.isFinite(cpu(one)))
  )
    console.table(ratios(cpu));
}

function table(measured: Record<string, Measured[]>, of: (one: Measured) => number): void {
  console.table(
    Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, all.map((one) => Math.round(of(one)))])),
  );
}

function spreadOf(values: number[]): { min: string; median: string; max: string } {
  const sorted = [...values].sort((a, b) => a - b);
  const [min, median, max] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)].map((value) =>
    (value ?? Number.NaN).toFixed(2),
  ) as [string, string, string];
  return { min, median, max };
}
