// Owns the reading of the Authorization header. Promises one token or a Fault: never the first of two, never another scheme.
import { edgeFault } from '../edge-faults.ts';

/** @param header all Authorization headers joined by ", ", as Headers.get gives them: a second header shows as a comma, which no token has. */
export function bearerToken(header: string | null | undefined): string {
  if (header === null || header === undefined) throw refused('no Authorization header');
  if (header.length > headerBytesMax) throw refused('Authorization header is too long');
  const token = bearerForm.exec(header)?.[1];
  if (token === undefined) throw refused('Authorization header is not Bearer and one token');
  return token;
}

/** RFC 6750 b64token after the scheme and exactly one space; the scheme in any case (RFC 9110, 11.1). No tab, comma or fold fits. */
const bearerForm = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i;
const headerBytesMax = 8 * 1024 + 'bearer '.length;

function refused(internal: string) {
  return edgeFault('unauthenticated', 'Send exactly one header "Authorization: Bearer <token>".', { internal });
}
