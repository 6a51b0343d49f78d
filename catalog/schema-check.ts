// Owns the question whether the catalog has the schema this program was written for.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import type { CatalogDb } from './open-catalog.ts';

const folder = fileURLToPath(new URL('../migrations/catalog', import.meta.url));

/** @throws Error that names what is missing. A catalog that is ahead is fine: its migrations only add. */
export async function checkCatalogSchema(db: CatalogDb): Promise<void> {
  const applied = await sql<{ name: string }>`select name from pgmigrations`.execute(db);
  const names = new Set(applied.rows.map((row) => row.name));
  const missing = migrationNames().filter((name) => !names.has(name));
  if (missing.length > 0) throw new Error(`the catalog lacks the migrations ${missing.join(', ')}`);
}

function migrationNames(): string[] {
  return readdirSync(folder)
    .filter((file) => /^\d.*\.sql$/.test(file))
    .map((file) => file.slice(0, -'.sql'.length));
}
