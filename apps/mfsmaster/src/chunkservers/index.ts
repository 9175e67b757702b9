export { ChunkserverService, type ChunkserverServiceOptions, type ChunkserverEvents } from './service.js';
