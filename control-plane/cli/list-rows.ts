// Owns --limit and --all of every list: pages are fetched as they are needed, and who got only a part is told so.
import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { wholeNumber } from './parse-options.ts';

export type ListOptions = { limit: number; all?: boolean };

/** The API gives at most so many rows a page. */
const pageMax = 200;

export function addListOptions(command: Command): Command {
  return command
    .addOption(new Option('--limit <n>', 'at most so many').default(50).argParser(wholeNumber(1, 1_000_000)))
    .addOption(new Option('--all', 'every one, page by page'));
}

export async function readRows<T>(
  cli: Cli,
  list: (query: { limit: number }) => AsyncIterable<T>,
  { limit, all }: ListOptions,
): Promise<T[]> {
  const max = all === true ? Number.POSITIVE_INFINITY : limit;
  const rows: T[] = [];
  // One more than asked for is enough to know that there are more.
  for await (const row of list({ limit: Math.min(pageMax, max + 1) })) {
    if (rows.length === max) {
      cli.note(`These are the first ${max}; --all or a larger --limit shows more.`);
      break;
    }
    rows.push(row);
  }
  return rows;
}
