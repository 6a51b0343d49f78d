// Owns the codes of the domain: what can be wrong with a tenant, a cluster, an operation, a plan or a key.
// ERRORS.md is generated from these tables; a code that is in neither cannot be thrown.
import { faultsOf } from '../platform/errors.ts';
import { fleetFaults } from './fleet-errors.ts';
import { installationFaults } from './installation-errors.ts';
import { requestFaults } from './request-errors.ts';

export const catalogFaults = { ...requestFaults, ...fleetFaults, ...installationFaults } as const;

export type CatalogFaultCode = keyof typeof catalogFaults;

/** A fault of the domain. */
export const catalogFault = faultsOf(catalogFaults);
