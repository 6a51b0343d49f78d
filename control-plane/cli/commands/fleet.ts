// Owns the noun `freehold fleet`; each verb is a file of its own, fleet-<verb>.ts.
import type { Command } from 'commander';
import type { Io } from '../cli.ts';
import { addFleetChanges } from './fleet-changes.ts';
import { addFleetDrift } from './fleet-drift.ts';
import { addFleetDryRun } from './fleet-dry-run.ts';
import { addFleetMigrate } from './fleet-migrate.ts';
import { addFleetQuery } from './fleet-query.ts';
import { addFleetRollouts } from './fleet-rollouts.ts';
import { addFleetStatus } from './fleet-status.ts';

export function addFleet(program: Command, io: Io): void {
  const fleet = program
    .command('fleet')
    .summary('migrate, watch and ask all databases')
    .description('All databases at once: where they stand, what they hold.');
  addFleetStatus(fleet, io);
  addFleetQuery(fleet, io);
  addFleetDryRun(fleet, io);
  addFleetMigrate(fleet, io);
  addFleetRollouts(fleet, io);
  addFleetChanges(fleet, io);
  addFleetDrift(fleet, io);
}
