// Asks on both ways, and takes a name from the file before it.
import { seen } from './010_program.js';

const columns = (pgm) =>
  pgm.db.select({
    text: 'select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped',
    values: [seen],
  });

export const up = async (pgm) => {
  const { length } = await columns(pgm);
  pgm.addColumn(seen, { [`after_${length}`]: { type: 'integer', notNull: true, default: length } });
};

export const down = async (pgm) => {
  const names = (await columns(pgm)).map((row) => row.attname);
  pgm.dropColumns(
    seen,
    names.filter((name) => name.startsWith('after_')),
  );
};
