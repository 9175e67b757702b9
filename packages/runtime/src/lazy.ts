import { createRequire } from 'node:module';

const load = createRequire(__filename);

/**
 * A package of others, loaded by the first call: what a process never uses costs its start nothing. Every takeover waits for
 * the start of a daemon.
 */
export function lazily<Exports>(name: string): () => Exports {
  let loaded: Exports | undefined;
  return () => (loaded ??= load(name) as Exports);
}
