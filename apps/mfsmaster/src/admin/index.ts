import type { AdminRequest } from '../extensions.js';
import { CHART_REQUESTS } from './charts.js';
import { CHUNK_REQUESTS } from './chunks.js';
import { INFO_REQUESTS } from './info.js';
import { QUOTA_REQUESTS } from './quotas.js';
import { SERVER_REQUESTS } from './servers.js';
import { SESSION_REQUESTS } from './sessions.js';

/** Monitoring and administration on port 9421 (spec 11 §3, §5, §6). */
export const MONITORING: ReadonlyMap<number, AdminRequest> = new Map([
  ...INFO_REQUESTS,
  ...SERVER_REQUESTS,
  ...SESSION_REQUESTS,
  ...CHUNK_REQUESTS,
  ...QUOTA_REQUESTS,
  ...CHART_REQUESTS,
]);
