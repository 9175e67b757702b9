export * from './values.js';
export * from './keys.js';
export * from './config.js';
export * from './common-keys.js';
export * from './master-keys.js';
export { parseCfg, parseYaml, type RawConfig, type RawEntry, type Finding } from './files.js';
