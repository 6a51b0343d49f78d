// Owns PostgreSQL's text form of an array of texts, for parameters cast with ::text[].
export function textArray(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;
}
