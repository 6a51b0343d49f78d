// Shorthands are known to every later file; the down of this one is inferred.
export const shorthands = {
  key: { type: 'bigint', primaryKey: true, sequenceGenerated: { precedence: 'BY DEFAULT' } },
  stamp: { type: 'timestamptz', notNull: true },
};

export const up = (pgm) => {
  pgm.createType('mood', ['calm', 'glad', "o'clock"]);
  pgm.createType('point3', { x: 'integer', y: 'integer' });
  pgm.createDomain('percent', 'integer', { check: 'value between 0 and 100', notNull: false });
  pgm.createSequence('ticket', { minvalue: 10, increment: 5, cycle: true });
  pgm.createSchema('reports', { ifNotExists: true });
};
