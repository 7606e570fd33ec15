import { SUCCESSOR_PATH } from '@holdfast/protocol';
import type { Authority } from '../authority/authority.ts';
import type { RequestHandler } from './listener.ts';

/** What the authority before this one says of it: for command lines that trust that one still. It is signed, and no secret. */
export const createSuccessorPage =
  (authority: Pick<Authority, 'successor'>): RequestHandler =>
  (request, response) => {
    const { successor } = authority;
    if (successor === undefined || request.method !== 'GET' || request.url.split('?', 1)[0] !== SUCCESSOR_PATH) return false;
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(successor);
    return true;
  };
