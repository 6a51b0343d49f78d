// Owns where something stands in a text: the parser counts bytes, people count lines and columns.

/** Both 1-based; columns count characters. */
export type Place = { readonly line: number; readonly column: number };

export type Places = {
  /** Of a `location` in a node: the parser counts bytes. */
  at(location: number): Place;
  /** Byte → character, both from 0. */
  offset(location: number): number;
  ofOffset(offset: number): Place;
};

/** Made once for a text, so that many questions about a large one cost little. */
export function placesOf(text: string): Places {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const offset = offsetsOf(text);
  const ofOffset = (asked: number): Place => {
    const index = lastUpTo(starts, asked);
    return { line: index + 1, column: asked - (starts[index] as number) + 1 };
  };
  return { offset, ofOffset, at: (location) => ofOffset(offset(location)) };
}

/** Marks are this far apart: so much is decoded again for each question. */
const markEveryBytes = 4_096;

/** Marks are characters at multiples of so many bytes; a text of ASCII needs none. */
function offsetsOf(text: string): (location: number) => number {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length === text.length) return (location) => location;
  const marks = [0];
  const decodedLength = (from: number, to: number) => bytes.toString('utf8', from, to).length;
  const startOf = (mark: number) => startOfCharacter(bytes, mark * markEveryBytes);
  for (let mark = 1; mark * markEveryBytes < bytes.length; mark++)
    marks.push((marks[mark - 1] as number) + decodedLength(startOf(mark - 1), startOf(mark)));
  return (location) => {
    const mark = Math.min(marks.length - 1, Math.floor(location / markEveryBytes));
    return (marks[mark] as number) + decodedLength(startOf(mark), location);
  };
}

function startOfCharacter(bytes: Buffer, at: number): number {
  let start = at;
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return start;
}

function lastUpTo(sorted: readonly number[], asked: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((sorted[middle] as number) <= asked) low = middle;
    else high = middle - 1;
  }
  return low;
}
