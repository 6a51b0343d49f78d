// Owns how a command line says whom it means: the words of a selection, the same for everything that touches many tenants.
import { type Command, Option } from 'commander';
import type { FleetSelection } from '../client.ts';
import { words } from './parse-options.ts';

export type SelectionFlags = {
  tenant?: string[];
  label?: string[];
  plan?: string[];
  region?: string[];
  cluster?: string[];
  tier?: string[];
  filter?: string;
  group?: string;
};

/** Each is repeatable and takes commas, but --filter and --group; all that are given must hold. */
export function addSelectionOptions(command: Command): Command {
  return command
    .addOption(new Option('--tenant <slug>', 'these tenants, by slug or id').argParser(words))
    .addOption(
      new Option('--label <name:value>', 'tenants with this label; a name alone for any value').argParser(words),
    )
    .addOption(new Option('--plan <id>', 'tenants of these plans').argParser(words))
    .addOption(new Option('--region <region>', 'tenants of these regions').argParser(words))
    .addOption(new Option('--cluster <name>', 'tenants on these clusters').argParser(words))
    .addOption(new Option('--tier <tier>', 'shared or dedicated').argParser(words))
    .addOption(
      new Option(
        '--filter <condition>',
        "such as \"plan = 'team' and label.tier = 'gold' and not slug like 'test-%'\"",
      ),
    )
    .addOption(new Option('--group <name>', 'a saved target group'));
}

/** Nothing given: the whole fleet. The server checks the words. */
export function selectionOf(flags: SelectionFlags): FleetSelection {
  const { tenant, label, plan, region, cluster, tier, filter, group } = flags;
  return {
    ...(tenant !== undefined && { slugs: tenant }),
    ...(label !== undefined && { labels: label }),
    ...(plan !== undefined && { plans: plan }),
    ...(region !== undefined && { regions: region }),
    ...(cluster !== undefined && { clusters: cluster }),
    ...(tier !== undefined && { tiers: tier as ('shared' | 'dedicated')[] }),
    ...(filter !== undefined && { filter }),
    ...(group !== undefined && { group }),
  };
}
