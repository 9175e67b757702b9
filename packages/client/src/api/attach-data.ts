import type { DataEngine } from '../data/data.js';
import type { MasterSession } from '../session/session.js';

/** Tells the engine what the master reports. Returns how to stop that. */
export function attachData(session: MasterSession, engine: DataEngine): () => void {
  return session.listen({
    connected: () => engine.masterBack(),
    disconnected: () => engine.masterLost(),
    serversChanged: () => engine.serversChanged(),
    chunkChanged: (change) => engine.chunkChanged(change),
    lengthChanged: (inode, length) => engine.lengthChanged(inode, length),
  });
}
