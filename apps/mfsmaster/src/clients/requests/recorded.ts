import { ChangelogBlockedError } from '../../storage/changelog.js';
import type { Request } from './request.js';

/** A request whose record comes out of its execution: refused beforehand while nothing can be recorded. */
export function recorded(request: Request): Request {
  return (client, payload) => {
    if (client.service.master.changelog.blocked) throw new ChangelogBlockedError();
    return request(client, payload);
  };
}
