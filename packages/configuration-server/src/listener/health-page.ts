import type { Health } from '@holdfast/daemon';
import type { RequestHandler } from './listener.ts';

/** /healthz for load balancers: whether it is well, and nothing else; what is wrong is told on the loopback listener only. */
export const createHealthPage =
  (health: Health): RequestHandler =>
  (request, response) => {
    if (request.url.split('?', 1)[0] !== '/healthz') return false;
    const answer = (ready: boolean): void => {
      response.writeHead(ready ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(`${JSON.stringify({ ready })}\n`);
    };
    health.report().then(
      ({ ready }) => answer(ready),
      () => answer(false),
    );
    return true;
  };
