import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStrictJson } from '../../platform/strict-json.ts';

test('reads any JSON value as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(parseStrictJson(text)).toEqual(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test('a name used twice in one object is refused, at any depth and however it is escaped', () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"x":{"b":1,"c":":","b":1}}]',
    '{"__proto__":1,"__proto__":2}',
    '{"":0,"":0}',
    '{"0":1,"0":1}',
  ]) {
    expect(() => parseStrictJson(text), text).toThrow('names a member twice');
  }
  for (const text of [
    '{"a":{"a":1},"b":{"a":2}}',
    '["a:b","c\\":d"]',
    '{"a\\\\":1,"a":":"}',
    '{"__proto__":{"a":1}}',
    '{"constructor":1}',
  ]) {
    expect(() => parseStrictJson(text), text).not.toThrow();
  }
});

test('A05 a million levels of nesting are refused without a stack overflow', () => {
  for (const open of ['[', '{"a":']) expect(() => parseStrictJson(open.repeat(1_000_000))).toThrow('nested too deeply');
  expect(() => parseStrictJson(`${'['.repeat(64)}${']'.repeat(64)}`)).not.toThrow();
  expect(() => parseStrictJson(`${'['.repeat(65)}${']'.repeat(65)}`)).toThrow('nested too deeply');
});

test('what is not JSON is refused and not repeated', () => {
  for (const text of ['', '{', '{"a":secret}', "{'a':1}", '\ufeff{}', '1 2', '"\\"', 'NaN', '[1,]', '{"a":1}}']) {
    expect(() => parseStrictJson(text), text).toThrow(/^not valid JSON$/);
  }
});
