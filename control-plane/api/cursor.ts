// Owns cursors of lists. A cursor carries the key of the last row and its end of life; its MAC also covers the list, the filter
// and the caller, so one that is edited, old, or used for another list, filter, role or key is refused (A03).

import type { Caller } from '../../catalog/caller.ts';
import { catalogFault } from '../../catalog/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Sealer } from '../../platform/sealing.ts';

/** Whoever walks a list does so in minutes; a day leaves room for a person with two tabs. */
const lifetimeMs = 24 * 3_600_000;

export type CursorBinding = { readonly list: string; readonly filter: object; readonly caller: Caller };
type CursorDeps = { readonly sealer: Sealer; readonly clock: Clock };

export function makeCursor({ sealer, clock }: CursorDeps, binding: CursorBinding, lastKey: string): string {
  const expires = clock.now().getTime() + lifetimeMs;
  const payload = Buffer.from(JSON.stringify([lastKey, expires]), 'utf8').toString('base64url');
  return `${payload}.${sealer.mac('cursor', boundText(binding, payload))}`;
}

/** @returns the key of the last row. @throws Fault cursor_invalid */
export function openCursor({ sealer, clock }: CursorDeps, binding: CursorBinding, cursor: string): string {
  const [payload = '', mac = '', ...rest] = cursor.split('.');
  if (rest.length > 0 || !sealer.verifyMac('cursor', boundText(binding, payload), mac))
    throw refused('MAC does not fit');
  const [lastKey, expires] = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as [string, number];
  if (expires <= clock.now().getTime()) throw refused('expired');
  return lastKey;
}

/** JSON of an array: no two bindings make the same text. Filters come from a schema, so their members have a fixed order. */
function boundText({ list, filter, caller }: CursorBinding, payload: string): string {
  return JSON.stringify([list, filter, caller.actor, caller.role, payload]);
}

function refused(internal: string) {
  return catalogFault('cursor_invalid', 'This cursor is not valid for this list: start again without a cursor.', {
    internal,
  });
}
