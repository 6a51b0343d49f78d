// Owns how a request names a server and its superuser: used for that request, never stored, never repeated in an answer.
import { z } from '@hono/zod-openapi';
import { edgeFault } from '../../platform/edge-faults.ts';
import { type PostgresAddress, parseAddress } from '../../platform/postgres/address.ts';

export const tlsSchema = z.enum(['disable', 'require', 'verify-full']);
const hostSchema = z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/, 'must be a host name or an IP address');
/** A zero byte in any of them would begin another field of the startup message. */
const credentialText = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => !text.includes('\0'), 'must not contain a zero byte');

export const superuserSchema = z.union([
  z.strictObject({
    url: z.string().max(4_000).openapi({ example: 'postgres://postgres:secret@db1.internal:5432/postgres' }),
  }),
  z.strictObject({
    host: hostSchema,
    port: z.int().min(1).max(65_535).default(5432),
    user: credentialText,
    password: credentialText,
    database: credentialText.default('postgres'),
  }),
]);

export const caSchema = z
  .string()
  .max(100_000)
  .openapi({ description: 'PEM of the certificate authority, for verify-full.' });

export type SuperuserInput = {
  superuser: z.output<typeof superuserSchema>;
  tls?: z.output<typeof tlsSchema> | undefined;
  ca?: string | undefined;
};

/** @throws Fault invalid_body */
export function superuserAddress({ superuser, tls, ca }: SuperuserInput): PostgresAddress {
  const address = 'url' in superuser ? fromUrl(superuser.url) : superuser;
  return { ...address, ...(tls !== undefined && { tls }), ...(ca !== undefined && { ca }) };
}

function fromUrl(url: string): PostgresAddress {
  let address: PostgresAddress;
  try {
    address = parseAddress(url);
  } catch (error) {
    throw invalidUrl(error instanceof TypeError ? error.message : 'cannot be read'); // repeats nothing of the URL
  }
  if (!hostSchema.safeParse(address.host).success) throw invalidUrl('must name a host, not a socket');
  return address;
}

function invalidUrl(message: string) {
  const errors = [{ pointer: '/superuser/url', message }];
  return edgeFault('invalid_body', 'Correct the places named in "errors" and send the request again.', {
    extra: { errors },
  });
}
