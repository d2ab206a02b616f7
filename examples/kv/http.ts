import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { addAdminRoutes } from './admin-routes.ts';
import { HttpError, sendError } from './http-errors.ts';
import { addKvRoutes } from './kv-routes.ts';
import type { Service } from './service.ts';
import { addStreamRoute } from './stream-route.ts';

/** A key of 512 bytes, each written as %XX, and room for a longer one to get its 400. */
const MAX_PARAMETER_LENGTH = 8 * 1024;

const routes: readonly { readonly path: RegExp; readonly allow: string }[] = [
  { path: /^\/kv\/[^/]*$/, allow: 'GET, HEAD, PUT, DELETE' },
  { path: /^\/kv$/, allow: 'GET, HEAD, POST' },
  { path: /^\/status$/, allow: 'GET, HEAD' },
  { path: /^\/members$/, allow: 'POST' },
  { path: /^\/members\/[^/]+$/, allow: 'DELETE' },
  { path: /^\/(stream|snapshot|leadership-transfer)$/, allow: 'POST' },
];

function refuseUnknown(request: FastifyRequest, reply: FastifyReply): void {
  const [path = ''] = request.url.split('?', 1);
  const route = routes.find((known) => known.path.test(path));
  if (route === undefined) {
    const expected =
      'expected /kv, /kv/KEY, /stream, /status, /members, /snapshot or /leadership-transfer';
    sendError(new HttpError(404, `${expected}, got ${path}`), request, reply);
    return;
  }
  const headers = { allow: route.allow };
  const problem = `expected ${route.allow} for ${path}, got ${request.method}`;
  sendError(new HttpError(405, problem, { headers }), request, reply);
}

/** The HTTP face of one node, not yet listening. */
export function newHttpServer(service: Service): FastifyInstance {
  const app = fastify({
    logger: false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, request, reply) => sendError(error, request, reply),
  });
  // Values are any bytes whatever the caller calls them, and JSON is parsed with our own messages.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(refuseUnknown);
  addKvRoutes(app, service);
  addStreamRoute(app, service);
  addAdminRoutes(app, service);
  return app;
}
