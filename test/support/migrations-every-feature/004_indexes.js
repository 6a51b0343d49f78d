export const up = (pgm) => {
  pgm.createIndex('orders', ['person_id', { name: 'placed_at', sort: 'DESC' }]);
  pgm.createIndex('orders', 'data', { method: 'gin', name: 'orders_by_data' });
  pgm.createIndex('people', 'lower(email)', { unique: true, name: 'people_by_email', where: 'share > 0' });
};
