export const up = (pgm) => {
  pgm.createFunction(
    'add',
    ['integer', { name: 'b', type: 'integer', default: 1 }],
    { returns: 'integer', language: 'sql', behavior: 'IMMUTABLE' },
    'select $1 + b',
  );
  pgm.createTrigger(
    'orders',
    'orders_touched',
    { when: 'BEFORE', operation: ['INSERT', 'UPDATE'], language: 'plpgsql', level: 'ROW', replace: true },
    '\nbegin\n  new.placed_at := now(); -- ; not an end\n  return new;\nend\n',
  );
  pgm.createOperator(pgm.func('+#'), { left: 'int4', right: 'int4', procedure: 'add' });
  pgm.sql(`do $$ begin perform 1; /* ; */ end $$; select 'a;b' as {name}`, { name: 'thing' });
};
export const down = (pgm) => {
  pgm.dropOperator(pgm.func('+#'), { left: 'int4', right: 'int4' });
  pgm.dropTrigger('orders', 'orders_touched');
  pgm.dropFunction('orders_touched', []);
  pgm.dropFunction('add', ['integer', 'integer']);
};
