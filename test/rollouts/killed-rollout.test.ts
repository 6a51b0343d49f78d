// Rollouts by real control planes while they are killed, stopped and continued and tenants come and go: it ends the same, each
// file once in every database, the report says what is there, fsck and drift have nothing to say. The full form:
// TEST_FLEET_DATABASES=300 TEST_FLEET_SEEDS=10 (TEST_SEED=n) with `npx vitest run` on this file.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiProblem, type Client } from '../../control-plane/client.ts';
import { seededRandom } from '../support/create-tenants.ts';
import {
  everyFileOnce,
  type KilledFleet,
  membersOf,
  moveTenants,
  nothingIsAmiss,
  openKilledFleet,
  operationsEnded,
  reportAgrees,
  settled,
  standOf,
} from '../support/killed-fleet.ts';
import type { ServerProcess } from '../support/processes.ts';
import { waitUntil } from '../support/wait-until.ts';

const databases = Number(process.env.TEST_FLEET_DATABASES ?? 24);
const seeds = Array.from(
  { length: Number(process.env.TEST_FLEET_SEEDS ?? 1) },
  (_, i) => Number(process.env.TEST_SEED ?? 20261125) + i,
);
const endMaxMs = 120_000 + databases * 500;

let fleet: KilledFleet;
beforeAll(async () => {
  fleet = await openKilledFleet(databases);
}, 600_000);
// Hundreds of databases are files to remove.
afterAll(() => fleet?.house.close(), 180_000);

test.each(seeds)(
  'M03 M06 M08 M09 M17 P02 killed, paused, stopped and continued: every file once everywhere (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const rollout = await begin();
    const moving = moveTenants(fleet, random, `born-${seed}`);
    moving.catch(() => {}); // told below
    for (let kills = 0; kills < 3; kills++) {
      await sleep(50 + random() * 500); // a moment is what is tried here: the seed names it
      await fleet.kill(Math.floor(random() * 3));
    }
    await pauseAndResume(rollout, random);
    // One that works: what it has in hand goes to the other one.
    const stopped = fleet.servers[random() < 0.5 ? 1 : 2] as ServerProcess;
    stopped.signal('SIGSTOP');
    const before = await endOf(rollout).finally(() => stopped.signal('SIGCONT'));
    await moving;
    await settled(fleet, 60_000);
    await everyFileOnce(fleet, { mayBeBehind: false });
    await reportAgrees(fleet, rollout);
    expect(await finished(rollout)).toEqual(expect.arrayContaining(before));
    await nothingIsAmiss(fleet);
  },
  endMaxMs + 300_000,
);

test.each(seeds.filter((_, i) => i % 3 === 0))(
  'M08 M09 M06 aborted at some moment while its workers are killed: who is where is known, and the next one ends it (seed %i)',
  async (seed) => {
    const random = seededRandom(seed + 1_000_000);
    const aborted = await begin({ concurrency: 4 });
    const moving = moveTenants(fleet, random, `later-${seed}`);
    moving.catch(() => {}); // told below
    await sleep(random() * 600);
    const dying = fleet.kill(random() < 0.5 ? 1 : 2);
    await sleep(random() * 400);
    await abort(aborted);
    await Promise.all([dying, moving]);
    await waitUntil(async () => (await membersOf(fleet, aborted)).every(({ state }) => state !== 'running'), {
      what: 'to know what became of each member',
      timeoutMs: 60_000,
      intervalMs: 100,
    });
    await operationsEnded(fleet);
    await everyFileOnce(fleet, { mayBeBehind: true });
    await reportAgrees(fleet, aborted);
    await nothingIsAmiss(fleet);
    const next = await rollOut();
    await endOf(next);
    await settled(fleet, 60_000);
    await everyFileOnce(fleet, { mayBeBehind: false });
    await nothingIsAmiss(fleet);
  },
  2 * endMaxMs + 300_000,
);

/** A file that counts how often it ran, long enough that somebody dies in it. */
async function begin(policy: { concurrency?: number } = {}): Promise<string> {
  const stamp = `2026120100000${String(fleet.files.length).padStart(4, '0')}`;
  fleet.files.push({
    name: `${stamp}_counted.sql`,
    // Run twice, it would not fail but count twice.
    text: `-- Up Migration\ncreate table if not exists counted (file text not null);\ninsert into counted values ('${stamp}_counted');\nselect pg_sleep(0.15);\n-- Down Migration\ndrop table counted;\n`,
  });
  await (fleet.clients()[0] as Client).releases.create({ lane: 'tenant', files: fleet.files });
  return rollOut(policy);
}

async function rollOut(policy: { concurrency?: number } = {}): Promise<string> {
  const budget = { failures: '10%' };
  const wanted = { kind: 'migrate', lane: 'tenant', release: 'latest', policy: { budget, ...policy } } as const;
  return (await (fleet.clients()[0] as Client).rollouts.create(wanted)).id;
}

async function pauseAndResume(id: string, random: () => number): Promise<void> {
  const [one, other] = fleet.clients() as [Client, Client];
  try {
    await one.rollouts.pause(id);
    const second = other.rollouts.create({ kind: 'migrate', lane: 'tenant', release: 'latest' });
    await expect(second).rejects.toMatchObject({ code: 'rollout_in_progress' });
    await sleep(random() * 300);
    await other.rollouts.resume(id);
  } catch (error) {
    // It was through before anybody could pause it.
    if (!(error instanceof ApiProblem) || error.code !== 'rollout_not_in_state') throw error;
  }
}

async function abort(id: string): Promise<void> {
  const aborted = await (fleet.clients()[0] as Client).rollouts.abort(id).catch((error: unknown) => error);
  // It was through before anybody could abort it.
  if (aborted instanceof Error) expect(aborted).toMatchObject({ code: 'rollout_not_in_state' });
}

/** @returns its finished members */
async function endOf(id: string) {
  const ended = async () => (await standOf(fleet, id)).state !== 'running';
  const waited = waitUntil(ended, { what: 'the end of the rollout', timeoutMs: endMaxMs, intervalMs: 200 });
  await waited.catch(async (error: unknown) => {
    throw new Error(`it still runs: ${JSON.stringify(await standOf(fleet, id))}`, { cause: error });
  });
  const end = await standOf(fleet, id);
  // Whose tenant is closed at the end is set aside, and nobody else.
  const left = (await membersOf(fleet, id)).filter(({ state }) => !['done', 'noop', 'gone', 'skipped'].includes(state));
  expect(left, JSON.stringify(end)).toEqual([]);
  expect(['succeeded', 'finished']).toContain(end.state);
  return finished(id);
}

async function finished(id: string) {
  return (await membersOf(fleet, id))
    .filter(({ state }) => state === 'done' || state === 'noop')
    .map((member) => ({ id: member.id, state: member.state, fence: member.fence }));
}
