// Owns the reading of JSON that comes from outside. Promises that what is returned was said once and plainly:
// valid JSON, no object names a member twice, nesting is bounded (so that walking it cannot overflow the stack).

export type StrictJsonLimits = {
  /** Arrays and objects inside each other. 64 is far above any document of ours and far below a stack's end. */
  maxDepth?: number;
};

/** Parses `text`; throws SyntaxError with a reason that repeats nothing of the text. */
export function parseStrictJson(text: string, limits: StrictJsonLimits = {}): unknown {
  const { depth, members } = measure(text);
  if (depth > (limits.maxDepth ?? 64)) throw new SyntaxError('JSON is nested too deeply');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SyntaxError('not valid JSON');
  }
  // JSON.parse keeps the last of two members with one name. In valid JSON every colon outside a string belongs to
  // one member, so fewer members after parsing than colons before it means that a name was used twice.
  if (countMembers(value) !== members) throw new SyntaxError('an object names a member twice');
  return value;
}

/** One pass over the text, strings skipped; needs no valid JSON. */
function measure(text: string): { depth: number; members: number } {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = endOfString(text, i);
    else if (code === 0x3a) members++;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return { depth: deepest, members };
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && precedingBackslashes(text, end) % 2 === 1) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

function precedingBackslashes(text: string, index: number): number {
  let count = 0;
  while (text.charCodeAt(index - 1 - count) === 0x5c) count++;
  return count;
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countMembers(item), 0);
  const items = Object.values(value);
  return items.reduce((sum: number, item) => sum + countMembers(item), items.length);
}
