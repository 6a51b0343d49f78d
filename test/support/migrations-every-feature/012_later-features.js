exports.up = (pgm) => {
  pgm.createTable('facts', {
    id: { type: 'integer', sequenceGenerated: { precedence: 'BY DEFAULT', increment: 2 } },
    about: 'jsonb',
    at: 'timestamp',
    weight: 'integer',
  });
  pgm.createIndex('facts', "about->>'kind'", { name: 'facts_by_kind' });
  pgm.createIndex('facts', 'at::date', { name: 'facts_by_day' });
  pgm.createIndex('facts', ['id', "about #>> '{a,b}'"], { name: 'facts_by_path' });
  pgm.createIndex('facts', "about ?| array['x','y']", { name: 'facts_having' });
  pgm.createIndex('facts', 'weight', { unique: true, nulls: 'not distinct', name: 'facts_by_weight' });
  pgm.renameIndex('facts_by_weight', 'facts_by_heft');
  pgm.createTable(
    'facts_copy',
    {},
    { like: { table: 'facts', options: { including: ['INDEXES', 'DEFAULTS'] } }, unlogged: true },
  );
  pgm.createTable('parts', { id: 'integer', at: 'date' }, { partition: { strategy: 'RANGE', columns: 'at' } });
  pgm.sql("create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01')");
  pgm.createFunction(
    'mood_rank',
    ['mood'],
    { returns: 'integer', language: 'sql', behavior: 'IMMUTABLE' },
    'select length($1::text)',
  );
  pgm.createCast('mood', 'integer', { functionName: 'mood_rank', argumentTypes: ['mood'], as: 'ASSIGNMENT' });
  pgm.createTable('gone', { id: 'id', value: 'integer' });
  pgm.addConstraint('gone', 'gone_positive', { check: 'value > 0' });
  pgm.dropTable('gone');
  pgm.dropConstraint('gone', 'gone_positive', { ifTableExists: true, ifExists: true });
};
exports.down = (pgm) => {
  pgm.dropCast('mood', 'integer');
  pgm.dropFunction('mood_rank', ['mood']);
  for (const table of ['parts', 'facts_copy', 'facts']) pgm.dropTable(table);
};
