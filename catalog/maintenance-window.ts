// Owns the shape of a maintenance window: the hours of the week in which the tenants of a group may be touched, and, for one that
// is agreed for certain days, from when to when it holds at all.
import { z } from 'zod';

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day as HH:MM');
const moment = z.iso.datetime({ offset: true, error: 'must be a moment as 2026-12-05T22:00:00Z' });

/** From and to in local time of the zone; a window whose end is before its beginning ends on the next day, equal ends are a whole day. */
export const maintenanceWindowSchema = z.strictObject({
  timezone: z
    .string()
    .max(100)
    .refine((zone) => isTimeZone(zone), 'must be an IANA time zone, as Europe/Zurich')
    .default('UTC'),
  /** 0 is Sunday: the days on which a window begins. */
  days: z.array(z.int().min(0).max(6)).min(1).max(7).default([0, 1, 2, 3, 4, 5, 6]),
  from: clockTime.default('00:00'),
  to: clockTime.default('00:00'),
  /** Not before and not after these moments; what is left out is open. */
  not_before: moment.optional(),
  not_after: moment.optional(),
});

export type MaintenanceWindow = z.output<typeof maintenanceWindowSchema>;

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
