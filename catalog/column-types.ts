// Owns the column types that several tables of the catalog share, as Kysely reads and writes them.
import type { ColumnType, JSONColumnType } from 'kysely';

export type Timestamp = ColumnType<Date, Date | string | undefined, Date | string>;
export type NullableTimestamp = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
/** Selected parsed, written as JSON text. */
export type Json<T extends object | null> = JSONColumnType<T, string, string>;
export type GeneratedJson<T extends object> = ColumnType<T, string | undefined, string>;
export type NullableJson<T extends object> = ColumnType<T | null, string | null | undefined, string | null>;
