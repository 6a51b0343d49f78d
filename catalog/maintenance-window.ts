// Owns the shape of a maintenance window: the hours of the week in which the tenants of a group may be touched.
import { z } from 'zod';

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day as HH:MM');

/** From and to in local time of the zone; a window whose end is before its beginning ends on the next day. */
export const maintenanceWindowSchema = z.strictObject({
  timezone: z
    .string()
    .refine((zone) => isTimeZone(zone), 'must be an IANA time zone, as Europe/Zurich')
    .default('UTC'),
  /** 0 is Sunday: the days on which a window begins. */
  days: z.array(z.int().min(0).max(6)).min(1).max(7).default([0, 1, 2, 3, 4, 5, 6]),
  from: clockTime,
  to: clockTime,
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
