// Owns what a damage is: something done behind the product's back, its repair, and the object that fsck must name.
import type { FsckHouse } from '../fsck-house.ts';

export type Damage = { damage(): Promise<unknown>; repair(): Promise<unknown>; object: RegExp };

export type Row = FsckHouse['alpha'];

/** A pair of statements in one place. */
const pair = (
  run: (sql: string) => Promise<unknown>,
  object: string | RegExp,
  damage: string,
  repair: string,
): Damage => ({
  damage: () => run(damage),
  repair: () => run(repair),
  object: typeof object === 'string' ? new RegExp(`^${object.replaceAll(/[()]/g, '\\$&')}$`) : object,
});
/** As superuser on the cluster of the database. */
export const cluster = (house: FsckHouse, row: Row, object: string | RegExp, damage: string, repair: string) =>
  pair((sql) => house.onCluster(row, sql), object, damage, repair);
/** As superuser inside the database; the object is the database itself where it is empty. */
export const inside = (house: FsckHouse, row: Row, object: string, damage: string, repair: string) =>
  pair((sql) => house.inside(row, sql), object === '' ? row.name : `${row.name}: ${object}`, damage, repair);
export const catalog = (house: FsckHouse, object: string | RegExp, damage: string, repair: string) =>
  pair((sql) => house.inCatalog(sql), object, damage, repair);
