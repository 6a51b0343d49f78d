// Asks the database while it runs: its SQL is known only there.
export const seen = 'seen_41_1';

export const up = async (pgm) => {
  const { rows } = await pgm.db.query({ text: 'insert into plain (id) values ($1) returning id', values: [41] });
  const [{ count }] = await pgm.db.select('select count(*)::int as count from plain');
  await pgm.db.query('savepoint s; insert into plain (id) values (42); rollback to savepoint s');
  pgm.createTable(`seen_${rows[0].id}_${count}`, { id: 'key', made_at: 'stamp' });
};
export const down = (pgm) => pgm.dropTable(seen);
