// Owns which servers a tenant may be placed on. Every quarter brings fixes for holes that a login with few rights can use
// (CASES.md 3.13), so a server below the minor of its major is refused, not warned about.

/**
 * The oldest minor per major, from the release of May 2026 (18.4, 17.10, 16.14 are one release). 16 is the oldest major:
 * before it, GRANT knows no INHERIT and SET options, and CREATEROLE is nearly a superuser. Majors that are newer than this
 * table are accepted.
 */
export const minimumMinors: Readonly<Record<number, number>> = { 16: 14, 17: 10, 18: 4 };

/** A sentence that says what to do, or undefined when the version is good. */
export function versionProblem(serverVersionNum: number): string | undefined {
  const major = Math.trunc(serverVersionNum / 10_000);
  const minor = serverVersionNum % 10_000;
  if (serverVersionNum < 160_000) return `PostgreSQL ${major} is too old: version 16 or newer is needed.`;
  const minimum = minimumMinors[major] ?? 0;
  if (minor >= minimum) return undefined;
  return `PostgreSQL ${major}.${minor} lacks security fixes: update to ${major}.${minimum} or newer.`;
}
