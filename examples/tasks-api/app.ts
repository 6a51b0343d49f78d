// Owns the API of a small product, tasks of projects, on Freehold's runtime as a library. No line of it names a tenant, a
// database or a connection: c.var.tenant is the one of the token, and each request is one transaction in its database.
import { createTenantRuntime, type TenantEnv, type TenantRuntime } from 'freehold/runtime';
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { sql } from 'kysely';
import { z } from 'zod';
import type { TasksDb } from './schema.ts';

const newTask = z.object({ title: z.string().min(1).max(300), labels: z.array(z.string()).default([]) });
const change = z.object({ status: z.enum(['open', 'doing', 'review', 'done']) });

export function createTasksApi(env: Readonly<Record<string, string | undefined>>) {
  const runtime = createTenantRuntime<TasksDb>({ env, version: 'tasks-api 1.0.0' });
  return { runtime, app: routes(runtime) };
}

function routes(runtime: TenantRuntime<TasksDb>) {
  const app = new Hono<TenantEnv<TasksDb>>();
  runtime.attach(app);
  app.get('/readyz', (c) => c.text(runtime.isReady() ? 'ready' : 'not ready', runtime.isReady() ? 200 : 503));
  app.use('/projects/*', ...runtime.tenant());

  app.get('/projects/:code/tasks', async (c) => {
    const { db } = c.var.tenant;
    const tasks = await db
      .selectFrom('tasks as t')
      .innerJoin('projects as p', 'p.id', 't.project_id')
      .where('p.code', '=', c.req.param('code'))
      .select(['t.number', 't.title', 't.status', 't.labels', 't.done_at'])
      .orderBy('t.number')
      .execute();
    return c.json({ tasks });
  });

  app.post('/projects/:code/tasks', async (c) => {
    const task = read(newTask, c.get('jsonBody'));
    const { db, claims, log } = c.var.tenant;
    const project = await projectOf(db, c.req.param('code'));
    const number = sql<number>`next_task_number(${project.id})`;
    const made = await db
      .insertInto('tasks')
      .values({ project_id: project.id, number, ...task })
      .returning(['number', 'title', 'status', 'labels'])
      .executeTakeFirstOrThrow();
    log.info({ by: claims.sub, number: made.number }, 'task made');
    return c.json(made, 201);
  });

  app.patch('/projects/:code/tasks/:number{[0-9]{1,9}}', async (c) => {
    const { status } = read(change, c.get('jsonBody'));
    const { db } = c.var.tenant;
    const project = await projectOf(db, c.req.param('code'));
    const changed = await db
      .updateTable('tasks')
      .set({ status })
      .where('project_id', '=', project.id)
      .where('number', '=', Number(c.req.param('number')))
      .returning(['number', 'status', 'done_at'])
      .executeTakeFirst();
    if (changed === undefined) throw new HTTPException(404);
    return c.json(changed);
  });
  return app;
}

async function projectOf(db: TenantEnv<TasksDb>['Variables']['tenant']['db'], code: string) {
  const project = await db.selectFrom('projects').select('id').where('code', '=', code).executeTakeFirst();
  if (project === undefined) throw new HTTPException(404);
  return project;
}

function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new HTTPException(400);
  return parsed.data;
}
