module.exports = {
  up: (pgm) => {
    pgm.createView(
      'big_orders',
      { columns: ['id', 'amount'], checkOption: undefined },
      'select id, amount from orders where amount > 100',
    );
    pgm.alterViewColumn('big_orders', 'amount', { default: 101 });
    pgm.createMaterializedView(
      { schema: 'reports', name: 'sums' },
      { data: false },
      'select person_id, sum(amount) as total from public.orders group by 1',
    );
    pgm.createPolicy('orders', 'orders_of_person', {
      command: 'SELECT',
      role: 'PUBLIC',
      using: "person_id = nullif(current_setting('app.person', true), '')::bigint",
    });
    pgm.createCast('mood', 'point3', { inout: true });
  },
  down: (pgm) => {
    pgm.dropCast('mood', 'point3');
    pgm.dropPolicy('orders', 'orders_of_person');
    pgm.dropMaterializedView({ schema: 'reports', name: 'sums' });
    pgm.dropView('big_orders');
  },
};
