exports.up = (pgm, done) => {
  pgm.addColumns('orders', { placed_at: 'stamp', number: { type: 'integer' }, gone: 'text' });
  pgm.alterColumn('orders', 'number', { default: 7, notNull: true, comment: 'counted' });
  pgm.renameColumn('orders', 'gone', 'kept');
  pgm.addConstraint('orders', 'orders_number_positive', { check: 'number > 0' });
  pgm.addConstraint('orders', 'orders_person_number', { unique: ['person_id', 'number'] });
  pgm.renameConstraint('orders', 'orders_person_number', 'orders_number_of_person');
  pgm.dropColumns('likeness', ['extra']);
  pgm.renameTable('likeness', 'copies');
  pgm.alterTable('orders', { levelSecurity: 'ENABLE' });
  done();
};
exports.down = (pgm) => {
  pgm.alterTable('orders', { levelSecurity: 'DISABLE' });
  pgm.renameTable('copies', 'likeness');
  pgm.addColumns('likeness', { extra: 'integer' });
  pgm.dropColumns('orders', ['placed_at', 'number', 'kept']);
};
