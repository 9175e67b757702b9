export { MetaloggerService, type MetaloggerServiceOptions, type MetaloggerSource } from './service.js';
