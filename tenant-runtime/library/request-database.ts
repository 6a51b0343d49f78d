// Owns the database as one request of a product sees it, beneath its Kysely handle. In the mode `request` everything is one
// transaction on one session, begun by the first statement, kept when the handler succeeds; a transaction within it is a savepoint.
// In the mode `statement` each statement and each transaction is its own, and nothing is held in between.
import type { KyselyLease, KyselySession } from '../../platform/postgres/kysely-dialect.ts';
import type { BeginOptions } from '../../platform/postgres/session.ts';
import { runtimeFault } from '../errors.ts';
import type { TransactionOptions } from '../tenant-transaction.ts';
import { type HeldTransaction, holdTransaction, type TransactionDeps } from './held-transaction.ts';

export type RequestDatabase = {
  acquire(): Promise<KyselyLease>;
  /** Later statements are refused. @param keep false rolls back what is open */
  end(keep: boolean): Promise<void>;
};

export type TransactionMode = 'request' | 'statement';

export function createRequestDatabase(
  deps: TransactionDeps,
  mode: TransactionMode,
  options: TransactionOptions,
): RequestDatabase {
  return mode === 'request' ? wholeRequest(deps, options) : eachStatement(deps, options);
}

function wholeRequest(deps: TransactionDeps, options: TransactionOptions): RequestDatabase {
  let held: Promise<HeldTransaction> | undefined;
  let ended = false;
  let savepoints = 0;
  return {
    async acquire() {
      if (ended) throw requestEnded();
      held ??= holdTransaction(deps, options);
      const session = nestedIn(await held, () => `freehold_${++savepoints}`);
      return { session, release: () => {} };
    },
    async end(keep) {
      ended = true;
      // Where it could not be begun, whoever asked for it has the error.
      const transaction = await held?.catch(() => undefined);
      await transaction?.end(keep);
    },
  };
}

/** Savepoints that run beside each other end with an error of the server, never with one undone and the other told it was kept. */
function nestedIn(held: HeldTransaction, newName: () => string): KyselySession {
  let savepoint = '';
  return {
    usable: true,
    query: (text, params) => held.query(text, params),
    script: (text) => held.script(text),
    async begin(options: BeginOptions = {}) {
      if (options.isolation !== undefined || options.readOnly === true) {
        throw new TypeError('the transaction of the request has begun: say its isolation where the middleware is made');
      }
      savepoint = newName();
      await held.script(`SAVEPOINT ${savepoint}`);
    },
    commit: () => held.script(`RELEASE ${savepoint}`),
    rollback: () => held.script(`ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`),
  };
}

function eachStatement(deps: TransactionDeps, options: TransactionOptions): RequestDatabase {
  const open = new Set<HeldTransaction>();
  let ended = false;
  const hold = async (more: TransactionOptions): Promise<HeldTransaction> => {
    if (ended) throw requestEnded();
    const held = await holdTransaction(deps, { ...options, ...more });
    open.add(held);
    return held;
  };
  const endOne = async (held: HeldTransaction, keep: boolean): Promise<void> => {
    open.delete(held);
    await held.end(keep);
  };
  const acquire = (): KyselyLease => {
    let transaction: HeldTransaction | undefined;
    const current = (): HeldTransaction => {
      if (transaction === undefined) throw new TypeError('no transaction was begun');
      return transaction;
    };
    const session: KyselySession = {
      usable: true,
      async query(text, params) {
        if (transaction !== undefined) return transaction.query(text, params);
        const held = await hold({});
        try {
          const result = await held.query(text, params);
          await endOne(held, true);
          return result as never;
        } catch (error) {
          await endOne(held, false).catch(() => {}); // its own error is the one that counts
          throw error;
        }
      },
      script: (text) => current().script(text),
      async begin({ isolation, readOnly }: BeginOptions = {}) {
        transaction = await hold({ ...(isolation && { isolation }), ...(readOnly && { readOnly }) });
      },
      commit: () => endOne(current(), true),
      rollback: () => endOne(current(), false),
    };
    return { session, release: () => {} };
  };
  return {
    acquire: async () => acquire(),
    async end() {
      ended = true;
      await Promise.all([...open].map((held) => endOne(held, false)));
    },
  };
}

function requestEnded() {
  return runtimeFault(
    'tenant_request_ended',
    'Something went wrong on our side. Give the request id when you ask for help.',
    {
      internal:
        'the database of a tenant was used after its request had ended: await all work in the handler, or use `streams`',
    },
  );
}
