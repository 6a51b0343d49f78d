// Owns the command tree of `freehold`: global options, one noun per file in commands/, and the text that explains both.
// Nothing here opens a connection or reads a file; the tree is also what completion and the generated help page are made of.
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import type { Io } from './cli.ts';
import { addAttack } from './commands/attack.ts';
import { addClusters } from './commands/clusters.ts';
import { addCompletion } from './commands/completion.ts';
import { addFleet } from './commands/fleet.ts';
import { addFsck } from './commands/fsck.ts';
import { addGroups } from './commands/groups.ts';
import { addAudit, addMe, addReconcilers, addRuntimes } from './commands/installation.ts';
import { addKeys } from './commands/keys.ts';
import { addMigrations } from './commands/migrations.ts';
import { addOperations } from './commands/operations.ts';
import { addPlans } from './commands/plans.ts';
import { addReleases } from './commands/releases.ts';
import { addSigningKeys } from './commands/signing-keys.ts';
import { addStatus } from './commands/status.ts';
import { addTenants } from './commands/tenants.ts';
import { addTokens } from './commands/tokens.ts';
import { exitCodeMeanings, rolloutExitCodeMeanings } from './exit-codes.ts';

export function createProgram(io: Io): Command {
  const program = new Command('freehold')
    .description('Freehold: a PostgreSQL database of its own for every tenant.')
    .version(packageJson.version, '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .option('--url <url>', 'admin API (FREEHOLD_URL)')
    .option('--api-key <key>', 'API key (FREEHOLD_API_KEY, FREEHOLD_API_KEY_FILE)')
    .option('--profile <file>', 'file with url and api_key (FREEHOLD_PROFILE)')
    .option('--json', 'JSON on stdout instead of text')
    .option('-q, --quiet', 'no progress and no messages, only data and errors')
    .configureHelp({ showGlobalOptions: true, sortOptions: false, styleTitle: (title) => `\x1b[1m${title}\x1b[22m` })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .exitOverride();
  addTenants(program, io);
  addClusters(program, io);
  addFleet(program, io);
  addGroups(program, io);
  addOperations(program, io);
  addTokens(program, io);
  addMigrations(program, io);
  addReleases(program, io);
  addPlans(program, io);
  addKeys(program, io);
  addSigningKeys(program, io);
  addAudit(program, io);
  addAttack(program, io);
  addReconcilers(program, io);
  addRuntimes(program, io);
  addFsck(program, io);
  addStatus(program, io);
  addMe(program, io);
  addCompletion(program, io);
  return program.addHelpText('after', helpEnd);
}

function codeLine({ code, meaning }: { code: number; meaning: string }): string {
  return `  ${String(code).padEnd(5)} ${meaning}`;
}

const helpEnd = `
Server and key, the first that is found:
  --url and --api-key, --profile, FREEHOLD_URL and FREEHOLD_API_KEY, FREEHOLD_PROFILE,
  data/profile.json of this clone (npm start writes it), ~/.config/freehold/profile.json

Exit codes:
${exitCodeMeanings.map(codeLine).join('\n')}

Exit codes of rollouts (freehold fleet migrate, rollback, exec, watch, …):
${rolloutExitCodeMeanings.map(codeLine).join('\n')}

NO_COLOR and FORCE_COLOR are respected; colours and live progress are for terminals only.
`;
