export { metaloggerService, startMetaloggers } from './start.js';
