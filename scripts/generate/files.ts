// Owns the list of generated files. Each entry says where it goes and yields its whole text.
import fs from 'node:fs';
import path from 'node:path';
import { catalogFaults } from '../../catalog/errors.ts';
import { describeAccess } from '../../control-plane/api/access.ts';
import { adminRoutes } from '../../control-plane/api/admin-routes.ts';
import { openApiDocument } from '../../control-plane/api/openapi.ts';
import { helpPages } from '../../control-plane/cli/help-pages.ts';
import { controlPlaneConfig } from '../../control-plane/config.ts';
import { edgeFaults } from '../../platform/edge-faults.ts';
import { embeddedPostgresFaults } from '../../platform/embedded-postgres/faults.ts';
import { jwtFaults } from '../../platform/jwt.ts';
import { postgresFaults } from '../../platform/postgres/faults.ts';
import { sealingFaults } from '../../platform/sealing.ts';
import { runtimeConfig } from '../../tenant-runtime/config.ts';
import { runtimeFaults } from '../../tenant-runtime/errors.ts';
import { graphqlFaults } from '../../tenant-runtime/graphql/errors.ts';
import { accessPage } from './access-page.ts';
import { configPage } from './config-table.ts';
import { errorsPage } from './errors-page.ts';
import { composeHba } from './hba.ts';
import { rulesPage } from './rules-page.ts';
import { schemaDumps } from './schemas.ts';
import { statesDiagram } from './states-diagram.ts';

export async function* generatedFiles(root: string): AsyncGenerator<{ file: string; text: string }> {
  yield {
    file: 'catalog/ERRORS.md',
    text: errorsPage([
      catalogFaults,
      edgeFaults,
      embeddedPostgresFaults,
      graphqlFaults,
      jwtFaults,
      postgresFaults,
      runtimeFaults,
      sealingFaults,
    ]),
  };
  yield { file: 'catalog/README.md', text: withBlock(root, 'catalog/README.md', 'tenant states', statesDiagram()) };
  yield {
    file: 'CONFIGURATION.md',
    text: configPage([
      { title: 'Control plane', spec: controlPlaneConfig },
      { title: 'Tenant runtime', spec: runtimeConfig },
    ]),
  };
  yield { file: 'control-plane/api/openapi.json', text: `${JSON.stringify(openApiDocument(adminRoutes), null, 2)}\n` };
  yield { file: 'control-plane/api/ACCESS.md', text: accessPage(describeAccess(adminRoutes)) };
  yield { file: 'control-plane/cli/HELP.md', text: helpPages() };
  yield { file: 'control-plane/migration-lint/RULES.md', text: rulesPage() };
  yield { file: 'deploy/pg_hba.conf', text: composeHba() };
  yield* schemaDumps(root);
}

/** Replaces what stands between `<!-- generated: name -->` and `<!-- /generated -->`. */
function withBlock(root: string, file: string, name: string, text: string): string {
  const page = fs.readFileSync(path.join(root, file), 'utf8');
  const start = `<!-- generated: ${name} -->`;
  const from = page.indexOf(start);
  const to = page.indexOf('<!-- /generated -->', from);
  if (from < 0 || to < 0) throw new Error(`${file} has no block ${start}`);
  return `${page.slice(0, from + start.length)}\n${text}\n${page.slice(to)}`;
}
