export * from './error.js';
export { END_MARKER, HEADER_BYTES, type ImageHeader, readImageHeader, SIGNATURE_NEW } from './frame.js';
export { readImage } from './read.js';
export { needsEdgeRenumbering } from './tree.js';
export * from './snapshot.js';
export { writeImage } from './write.js';
