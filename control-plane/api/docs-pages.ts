// Owns the pages of the documentation: Swagger UI from its npm package, and the error codes from the fault tables themselves.
import { readFile } from 'node:fs/promises';
import { html, raw } from 'hono/html';
import { catalogFaults } from '../../catalog/errors.ts';
import { edgeFaults } from '../../platform/edge-faults.ts';
import { type FaultSpec, whoActs } from '../../platform/errors.ts';
import { statusOf } from '../../platform/http/problem.ts';
import { jwtFaults } from '../../platform/jwt.ts';
import { postgresFaults } from '../../platform/postgres/faults.ts';
import { sealingFaults } from '../../platform/sealing.ts';

type Asset = { type: string; body: Uint8Array<ArrayBuffer> };

const assetTypes: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'start.js': 'text/javascript; charset=utf-8',
  'errors.css': 'text/css; charset=utf-8',
};

/** No plug-in that asks a foreign validator, no link to another document. */
const startScript = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null, persistAuthorization: false });\n`;

const errorsStyle = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
section { border-top: 1px solid #ddd; padding: 0.5rem 0 } section:target { background: #fff7d6 }
code { font-size: 0.95em } dt { font-weight: 600 } dd { margin: 0 0 0.3rem 0 }\n`;

/** Read once; undefined for a file that is not offered. */
export async function docsAsset(file: string): Promise<Asset | undefined> {
  const type = assetTypes[file];
  if (type === undefined) return undefined;
  const known = assets.get(file);
  if (known !== undefined) return known;
  const asset = { type, body: new Uint8Array(await contentOf(file)) };
  assets.set(file, asset);
  return asset;
}

const assets = new Map<string, Asset>();

async function contentOf(file: string): Promise<Uint8Array> {
  if (file === 'start.js') return Buffer.from(startScript);
  if (file === 'errors.css') return Buffer.from(errorsStyle);
  return await readFile(new URL(file, import.meta.resolve('swagger-ui-dist/package.json')));
}

export function docsPage(): string {
  return String(html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Freehold admin API</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <link rel="stylesheet" href="/docs/assets/swagger-ui.css" />
    <link rel="icon" href="data:," />
  </head>
  <body>
    <main id="docs"></main>
    <script src="/docs/assets/swagger-ui-bundle.js"></script>
    <script src="/docs/assets/start.js"></script>
  </body>
</html>`);
}

/** Where \`type\` of every problem points to: /docs/errors#<code>. */
export function errorsPage(): string {
  const tables: Readonly<Record<string, FaultSpec>> = {
    ...edgeFaults,
    ...jwtFaults,
    ...sealingFaults,
    ...postgresFaults,
    ...catalogFaults,
  };
  const sections = Object.entries(tables)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(
      ([code, spec]) => html`<section id="${code}">
      <h2><code>${code}</code></h2>
      <p><strong>${spec.title}</strong> (HTTP ${statusOf(spec.kind)})</p>
      <dl>
        <dt>Cause</dt><dd>${spec.cause}</dd>
        <dt>Check</dt><dd>${spec.check}</dd>
        <dt>Who acts</dt><dd>${whoActs[spec.who]}</dd>
      </dl>
    </section>`,
    );
  return String(html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Freehold error codes</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <link rel="stylesheet" href="/docs/assets/errors.css" />
    <link rel="icon" href="data:," />
  </head>
  <body>
    <h1>Error codes</h1>
    <p>Every problem document carries one of these in <code>code</code>.</p>
    ${raw(sections.map(String).join('\n'))}
  </body>
</html>`);
}
