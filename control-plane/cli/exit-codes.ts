// Owns the exit codes of `freehold`: few, stable, the same for every command. Scripts branch on them; README.md and
// `freehold --help` list them from here.

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unfinished: 3,
  notFound: 4,
  findings: 5,
  interrupted: 130,
  /** Of a rollout: 3 and 4 mean what the general ones mean, not finished and something is missing, more exactly. */
  rolloutHalted: 3,
  rolloutQuarantine: 4,
  rolloutOpen: 6,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeMeanings: readonly { code: ExitCode; meaning: string }[] = [
  { code: exitCodes.ok, meaning: 'done; of fsck: clean' },
  { code: exitCodes.failed, meaning: 'the operation or the request failed, or the server cannot be reached' },
  { code: exitCodes.usage, meaning: 'wrong usage, input or configuration: nothing was changed' },
  { code: exitCodes.unfinished, meaning: 'not finished within --timeout; the operation goes on on the server' },
  { code: exitCodes.notFound, meaning: 'there is no such tenant, cluster, operation, release or key' },
  { code: exitCodes.findings, meaning: 'fsck or the linter found something, or a schema has drifted' },
  { code: exitCodes.interrupted, meaning: 'Ctrl-C; an operation that was begun goes on on the server' },
];

/** Of plan, migrate, rollback, exec, watch and retry of `freehold fleet`. */
export const rolloutExitCodeMeanings: readonly { code: ExitCode; meaning: string }[] = [
  { code: exitCodes.ok, meaning: 'every database is done; of plan: it would begin' },
  { code: exitCodes.failed, meaning: 'it was refused and nothing was begun, or the server cannot be reached' },
  { code: exitCodes.rolloutHalted, meaning: 'halted by its error budget: see the verdict, then resume or abort it' },
  { code: exitCodes.rolloutQuarantine, meaning: 'ended with quarantined or skipped tenants; the others are done' },
  { code: exitCodes.findings, meaning: 'drift was found (fleet drift)' },
  { code: exitCodes.rolloutOpen, meaning: 'aborted by somebody, or still open after --timeout' },
];

/** Of a problem document, by its HTTP status. A request that can never succeed as it stands counts as wrong usage. */
export function exitCodeOfStatus(status: number): ExitCode {
  if (status === 400 || status === 401 || status === 422 || status === 428) return exitCodes.usage;
  if (status === 404) return exitCodes.notFound;
  return exitCodes.failed;
}
