// Owns which statements of a session are prepared by name. A named statement saves a round trip and the planning, but
// stays in the server's memory until the session ends, so the first sight of a text is not enough, and their number has a limit.

export type PreparePolicy = { shouldPrepare(text: string): boolean };

/** A statement and its plan take 5 to 50 kB in the backend; a session's working set is tens of statements. */
const preparedMax = 200;
const seenMax = 200;
/** Nobody repeats a text of this length often enough to repay keeping it here and in the server. */
const textLengthMax = 16_384;

export function createPreparePolicy(enabled: boolean): PreparePolicy {
  const prepared = new Set<string>();
  const seen = new Set<string>();
  return {
    shouldPrepare(text) {
      if (prepared.has(text)) return true;
      if (!enabled || prepared.size >= preparedMax || text.length > textLengthMax) return false;
      if (seen.delete(text)) {
        prepared.add(text);
        return true;
      }
      seen.add(text);
      if (seen.size > seenMax) seen.delete(seen.values().next().value as string);
      return false;
    },
  };
}
