import { describe, expect, test } from 'vitest';
import { describeAddress, parseAddress } from '../../platform/postgres/address.ts';

describe('parseAddress', () => {
  test('reads all parts, decoded', () => {
    expect(parseAddress('postgres://us%40er:p%3Ass%2F@db.example:6432/my%20db?sslmode=verify-full')).toEqual({
      host: 'db.example',
      port: 6432,
      database: 'my db',
      user: 'us@er',
      password: 'p:ss/',
      tls: 'verify-full',
    });
  });

  test('fills in the port', () => {
    expect(parseAddress('postgresql://u:p@h/d')).toEqual({
      host: 'h',
      port: 5432,
      database: 'd',
      user: 'u',
      password: 'p',
    });
  });

  test('reads an IPv6 host and a socket directory', () => {
    expect(parseAddress('postgres://u:p@[::1]/d').host).toBe('::1');
    expect(parseAddress('postgres://u:p@localhost/d?host=/var/run/postgresql').host).toBe('/var/run/postgresql');
  });

  test.each([
    'mysql://u:p@h/d',
    'not a url',
    'postgres://h/d',
    'postgres://u:p@h',
    'postgres://u:p@h/d?sslmode=prefer',
    'postgres://u:p@h/d?ssl_mode=require',
    'postgres://u:p@h/d%00x',
  ])('refuses %s, without repeating it', (url) => {
    expect(() => parseAddress(url)).toThrow(TypeError);
    try {
      parseAddress(url);
    } catch (error) {
      expect(String(error)).not.toContain('u:p');
    }
  });
});

test('describeAddress shows no password', () => {
  const address = { host: '::1', port: 1, database: 'd', user: 'u', password: 'secret' };
  expect(describeAddress(address)).toBe('u@[::1]:1/d');
});
