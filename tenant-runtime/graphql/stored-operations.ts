// Owns the operations that were stored ahead: a file of SHA-256 → document, as the build of an application writes it. With
// them a client sends a hash in the place of a document; where only they are allowed, nobody can ask anything else.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { graphqlFault } from './errors.ts';

export type StoredOperations = ReadonlyMap<string, string>;

const fileSchema = z.record(z.string().regex(/^[0-9a-f]{64}$/), z.string().min(1));

/** @throws Fault graphql_operations_file_unusable */
export function readStoredOperations(file: string): StoredOperations {
  let operations: Record<string, string>;
  try {
    operations = fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw unusable(`${file} is not a JSON object of SHA-256 to GraphQL document.`, cause);
  }
  const wrong = Object.entries(operations).find(([hash, document]) => hashOf(document) !== hash);
  if (wrong !== undefined) throw unusable(`${file}: ${wrong[0]} is not the SHA-256 of its document.`);
  return new Map(Object.entries(operations));
}

export function hashOf(document: string): string {
  return createHash('sha256').update(document).digest('hex');
}

function unusable(message: string, cause?: unknown) {
  return graphqlFault('graphql_operations_file_unusable', message, { cause });
}
