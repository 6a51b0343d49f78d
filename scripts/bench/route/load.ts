// Owns the load: wrk when it is installed (it takes a fifth of the processor time), else autocannon; a process of its own in
// both cases. Every request bears the token of a tenant chosen at random, evenly or as Zipf's law has it (the n-th tenant asks
// 1/n as often as the first); an answer that is not 200 fails the bench.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export type Load = {
  url: string;
  tokensFile: string;
  seconds: number;
  connections: number;
  spread: Spread;
  /** While sessions are opened for the first time, on a machine that does other things too, some may be refused. */
  warmingUp?: boolean;
};

/** one: the first tenant alone. */
export type Spread = 'one' | 'evenly' | 'zipf';

const body = JSON.stringify({
  query: 'select $1::int as n, count(*) as c from customers where id = $1::int',
  params: ['7'],
});

/** @returns requests per second */
export async function measureLoad(load: Load): Promise<number> {
  return findOnPath('wrk') === undefined ? withAutocannon(load) : withWrk(load);
}

async function withWrk({ url, tokensFile, seconds, connections, spread, warmingUp }: Load): Promise<number> {
  const script = path.join(path.dirname(tokensFile), 'load.lua');
  fs.writeFileSync(script, lua);
  const out = await outputOf(
    'wrk',
    // A machine that does other things too may be late once; an error counts, lateness shows in the rate.
    ['-t1', `-c${connections}`, `-d${Math.round(seconds)}s`, '--timeout', '30s', '-s', script, `${url}/v1/sql`],
    { TOKENS_FILE: tokensFile, REQUEST_BODY: body, SPREAD: spread },
  );
  const failed = /(Non-2xx or 3xx responses: \d+|Socket errors: .*)/.exec(out)?.[1];
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1]);
  if ((failed !== undefined && !warmingUp) || !(perSecond > 0)) throw new Error(`the load failed: ${failed ?? out}`);
  return perSecond;
}

const lua = `
local tokens = {}
for line in io.lines(os.getenv("TOKENS_FILE")) do tokens[#tokens + 1] = "Bearer " .. line end
local body = os.getenv("REQUEST_BODY")
local headers = { ["Content-Type"] = "text/plain", ["Neon-Raw-Text-Output"] = "true", ["Neon-Array-Mode"] = "true" }
math.randomseed(os.time())
local choices = #tokens
local spread = os.getenv("SPREAD")
if spread == "one" then choices = 1 end
if spread == "zipf" then
  -- Drawn ahead of time: a hundred thousand draws are as good as the law.
  local sums, sum = {}, 0
  for n = 1, #tokens do sum = sum + 1 / n; sums[n] = sum end
  local drawn = {}
  for at = 1, 100000 do
    local wanted, low, high = math.random() * sum, 1, #tokens
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < wanted then low = middle + 1 else high = middle end
    end
    drawn[at] = tokens[low]
  end
  tokens, choices = drawn, #drawn
end
request = function()
  headers["Authorization"] = tokens[math.random(choices)]
  return wrk.format("POST", nil, headers, body)
end
`;

async function withAutocannon(load: Load): Promise<number> {
  const self = fileURLToPath(import.meta.url);
  return Number(await outputOf(process.execPath, [self, JSON.stringify(load)], {}));
}

async function outputOf(program: string, args: string[], env: Record<string, string>): Promise<string> {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${out}`);
  return out;
}

function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

if (import.meta.main) {
  const { url, tokensFile, seconds, connections, spread, warmingUp } = JSON.parse(process.argv[2] ?? '{}') as Load;
  const tokens = fs.readFileSync(tokensFile, 'utf8').trim().split('\n');
  // @ts-expect-error autocannon brings no types
  const { default: autocannon } = (await import('autocannon')) as {
    default: (options: object) => Promise<Record<string, unknown>>;
  };
  const asked = spread === 'one' ? tokens.slice(0, 1) : spread === 'zipf' ? zipf(tokens) : tokens;
  const requests = asked
    .map((token) => ({ order: Math.random(), token }))
    .sort((a, b) => a.order - b.order)
    .map(({ token }) => ({
      method: 'POST',
      path: '/v1/sql',
      body,
      headers: {
        'content-type': 'text/plain',
        'neon-raw-text-output': 'true',
        'neon-array-mode': 'true',
        authorization: `Bearer ${token}`,
      },
    }));
  const result = await autocannon({ url, connections, duration: seconds, requests });
  if (!warmingUp && (result.non2xx !== 0 || result.errors !== 0))
    throw new Error(`failed: ${String(result.non2xx)} answers, ${String(result.errors)} connections`);
  console.log((result.requests as { average: number }).average);
}

/** Each as often as the law has it, at least once. */
function zipf(tokens: readonly string[]): string[] {
  return tokens.flatMap((token, at) => Array.from({ length: Math.ceil(tokens.length / (at + 1)) }, () => token));
}
