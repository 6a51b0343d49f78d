// Owns the one way in which a value becomes a part of SQL text: where a message of many statements cannot have parameters.

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
