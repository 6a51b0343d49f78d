// Owns writing rows as CSV (RFC 4180): names first, values as PostgreSQL writes them, null as nothing.

export function csvOf(names: readonly string[], rows: readonly (readonly (string | null)[])[]): string {
  return [names, ...rows].map((row) => row.map(cell).join(',')).join('\n');
}

function cell(value: string | null): string {
  if (value === null) return '';
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
