// Owns the last thing `npm start` prints: where everything is and what to type next.
import { styleText } from 'node:util';

export function summary({
  apiUrl,
  runtimeUrl,
  dataDir,
  profile,
}: {
  apiUrl: string;
  runtimeUrl: string;
  dataDir: string;
  profile: string;
}): string {
  const bold = (text: string) => styleText('bold', text);
  return `
${bold('Freehold is running.')}

  admin API        ${apiUrl}        documentation: ${apiUrl}/docs
  tenant runtime   ${runtimeUrl}
  owner key        in ${profile}, which the command line reads by itself

${bold('Try it')} in a second terminal:

  npm run -s freehold -- tenants create acme --name "Acme Ltd" --region eu --plan team
  npm run -s freehold -- tenants list
  TOKEN=$(npm run -s freehold -- tokens mint acme --scope sql)
  curl -s ${runtimeUrl}/v1/sql -H "authorization: Bearer $TOKEN" \\
    -d '{"query":"select count(*) from projects","params":[]}'

Ctrl-C stops everything in order; the data stays in ${dataDir}.
`;
}
