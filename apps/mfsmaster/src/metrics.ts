/** What the master tells Prometheus. */
import type { MasterContext } from './context.js';

export function registerMetrics(master: MasterContext): void {
  const { metrics } = master.services;
  if (metrics === undefined) return;
  const { metadata, chunkservers, clients, changelog, images, sessions } = master;
  const { store } = metadata;
  const gauge = (name: string, help: string, value: () => number): void =>
    void metrics.gauge(`master_${name}`, help, [], (one) => one.set(value()));
  gauge('metadata_version', 'Number of the next change.', () => store.version);
  gauge('inodes', 'Objects in the tree.', () => store.stats.of(1).inodes + 1);
  gauge('chunks', 'Chunks known.', () => store.chunks.count);
  gauge('sessions', 'Sessions, connected or not.', () => store.tables.sessions.size);
  gauge('mounts_connected', 'Connections of mounts and tools.', () => sessions.allConnections().length);
  gauge('client_connections', 'Connections on the port of clients.', () => clients.count);
  gauge('chunkservers_connected', 'Chunkservers connected.', () => chunkservers.manager.servers.count);
  gauge('chunkservers_known', 'Chunkservers known.', () => chunkservers.database.count);
  gauge('space_total_bytes', 'Space of the connected chunkservers.', () => chunkservers.manager.servers.space.total);
  gauge('space_free_bytes', 'Free space of them.', () => chunkservers.manager.servers.space.free);
  gauge('waiting_requests', 'Requests that wait for a chunk.', () => clients.files.queue.length);
  gauge('changelog_blocked', '1 while changes cannot be recorded and are refused.', () => (changelog.blocked ? 1 : 0));
  gauge('image_stored_seconds', 'Time of the last stored image, since 1970.', () => images.result.storedS);
  gauge('image_failing', '1 when the last image could not be stored.', () => (images.failing ? 1 : 0));
}
