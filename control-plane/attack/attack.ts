// Owns the words of an attack on an installation: who is attacked from where, what was tried, what came back, and whether the
// lock held. What is tried stands in the files beside this one; nothing here needs more than any client of the two doors has.
import type { Client } from '../client.ts';

export type AttackGroup = 'tokens' | 'confusion' | 'database' | 'apis' | 'replay' | 'flood';

/** held: refused as it must be. broken: the attacker got through. untried: it could not be tried, and `got` says why. */
export type Verdict = 'held' | 'broken' | 'untried';

export type Attempt = {
  /** Of the list of attacks: J02, D05, … */
  readonly case: string;
  readonly group: AttackGroup;
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  readonly verdict: Verdict;
};

/** A tenant whose owner attacks, or is attacked. `token` has every scope that its plan allows. */
export type Party = { readonly slug: string; readonly tenantId: string; readonly token: string };

export type Field = {
  readonly client: Client;
  /** Of the runtime and of the admin API, without a slash at the end. */
  readonly runtimeUrl: string;
  readonly adminUrl: string;
  readonly apiKey: string;
  readonly attacker: Party;
  readonly victim: Party;
  /** Made for the attack: may be suspended. */
  readonly disposable: boolean;
  /** Requests of the flood. */
  readonly floodRequests: number;
};

export type Attack = (field: Field) => AsyncGenerator<Attempt>;
