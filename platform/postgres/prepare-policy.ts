// Owns which statements of a session are prepared by name. A named statement saves a round trip and the planning, but
// stays in the server's memory until the session ends, so the first sight of a text is not enough, and their number has a limit.

export type PreparePolicy = {
  shouldPrepare(text: string): boolean;
  /** For what does not go through postgres.js, which has names of its own: '' for a statement that is not to be kept. */
  nameOf(text: string): string;
  /** Whether the server knows the name; it does from `parsed` until `forgotten`. */
  isParsed(text: string): boolean;
  parsed(text: string): void;
  forgotten(text: string): void;
};

/** A statement and its plan take 5 to 50 kB in the backend; a session's working set is tens of statements. */
const preparedMax = 200;
const seenMax = 200;
/** Nobody repeats a text of this length often enough to repay keeping it here and in the server. */
const textLengthMax = 16_384;

export function createPreparePolicy(enabled: boolean): PreparePolicy {
  const prepared = new Set<string>();
  const seen = new Set<string>();
  const names = new Map<string, { name: string; parsed: boolean }>();
  const shouldPrepare = (text: string): boolean => {
    if (prepared.has(text)) return true;
    if (!enabled || prepared.size >= preparedMax || text.length > textLengthMax) return false;
    if (seen.delete(text)) {
      prepared.add(text);
      return true;
    }
    seen.add(text);
    if (seen.size > seenMax) seen.delete(seen.values().next().value as string);
    return false;
  };
  let lastName = 0;
  return {
    shouldPrepare,
    nameOf(text) {
      if (!shouldPrepare(text)) return '';
      let named = names.get(text);
      if (named === undefined) {
        named = { name: `freehold_${++lastName}`, parsed: false };
        names.set(text, named);
      }
      return named.name;
    },
    isParsed: (text) => names.get(text)?.parsed === true,
    parsed(text) {
      const named = names.get(text);
      if (named !== undefined) named.parsed = true;
    },
    forgotten: (text) => void names.delete(text),
  };
}
