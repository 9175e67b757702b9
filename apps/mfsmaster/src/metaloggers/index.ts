export { MetaloggerService, type MetaloggerServiceOptions, type MetaloggerSource } from './service.js';
export { startMetaloggers } from './start.js';
