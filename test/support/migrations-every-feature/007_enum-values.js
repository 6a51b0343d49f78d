export const up = (pgm) => {
  pgm.noTransaction();
  pgm.addTypeValue('mood', 'wild', { after: 'glad' });
  pgm.createIndex('orders', 'kept', { concurrently: true, name: 'orders_by_kept' });
};
export const down = false;
