// Owns the arithmetic and the table of the provisioning bench: milliseconds as min, median, p95, p99, max, and ratios that were
// taken round by round, because two numbers of two minutes say little about each other on a shared machine.

export type Times = Readonly<Record<string, readonly number[]>>;

export async function timed<T>(act: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAtMs = performance.now();
  const value = await act();
  return { ms: performance.now() - startedAtMs, value };
}

/** Nearest rank: every number printed was measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function timesTable(rows: readonly (readonly [title: string, values: readonly number[]])[]): string {
  const head = line('ms', ['min', 'median', 'p95', 'p99', 'max']);
  return [head, ...rows.map(([title, values]) => line(title, timesOf(values)))].join('\n');
}

export function ratiosTable(
  rows: readonly (readonly [title: string, over: readonly number[], under: readonly number[]])[],
): string {
  const head = line('ratio, round by round', ['min', 'median', 'max']);
  const body = rows.map(([title, over, under]) => {
    const ratios = over.map((value, round) => value / (under[round] ?? Number.NaN));
    return line(
      title,
      [0, 0.5, 1].map((share) => percentile(ratios, share).toFixed(2)),
    );
  });
  return [head, ...body].join('\n');
}

/** One line on how far a fixed piece of work strayed while the bench ran. */
export function spread(values: readonly number[]): string {
  const [min, mid, max] = [0, 0.5, 1].map((share) => percentile(values, share).toFixed(1));
  return `${mid} ms (${min} to ${max})`;
}

function timesOf(values: readonly number[]): string[] {
  return [0, 0.5, 0.95, 0.99, 1].map((share) => percentile(values, share).toFixed(1));
}

function line(title: string, cells: readonly string[]): string {
  return title.padEnd(58) + cells.map((cell) => cell.padStart(9)).join('');
}
