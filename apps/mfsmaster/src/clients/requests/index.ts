import { attributeRequests } from './attributes.js';
import { classRequests } from './classes.js';
import { extendedRequests } from './extended.js';
import { fileRequests } from './files.js';
import { lockRequests } from './locks.js';
import { metaRequests } from './meta.js';
import { nameRequests } from './names.js';
import type { Request, Requests } from './request.js';
import { settingRequests } from './settings.js';
import { toolRequests } from './tools.js';

export type { Request, Requests } from './request.js';

/** What a mount may ask for (spec 02 §16). */
export const MOUNT_REQUESTS: Requests = new Map<number, Request>([
  ...nameRequests,
  ...attributeRequests,
  ...fileRequests,
  ...extendedRequests,
  ...lockRequests,
  ...settingRequests,
  ...toolRequests,
  ...metaRequests,
  ...classRequests,
]);

/** Messages on connections of tools. */
const TOOLS_MESSAGES: ReadonlySet<number> = new Set([
  350, 352, 354, 356, 358, 360, 432, 438, 440, 442, 444, 446, 448, 462, 464, 466, 468, 472, 474, 476, 496,
]);
export const TOOLS_REQUESTS: Requests = new Map([...MOUNT_REQUESTS].filter(([type]) => TOOLS_MESSAGES.has(type)));
