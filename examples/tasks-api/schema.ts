// Owns the types of the tables that this product reads and writes: the sample schema in migrations/tenant.
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

type Id = GeneratedAlways<string>;
type Stamp = ColumnType<Date, never, never>;

export type TasksDb = {
  projects: { id: Id; customer_id: string; code: string; name: string; status: Generated<string> };
  tasks: {
    id: Id;
    project_id: string;
    number: number;
    title: string;
    status: Generated<'open' | 'doing' | 'review' | 'done'>;
    labels: Generated<string[]>;
    created_at: Stamp;
    done_at: ColumnType<Date | null, never, never>;
  };
};
