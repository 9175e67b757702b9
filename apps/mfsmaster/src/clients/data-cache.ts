/** What the master knows of kernel caches: (inode, session) -> cached data is valid (spec 02 §8.2). */
const MAX_INODES = 500_000;

export class DataCache {
  /** Least recently used inode first. */
  private readonly inodes = new Map<number, Map<number, boolean>>();

  /** A file is opened: whether the session's cached data is valid. */
  open(inode: number, sessionId: number): boolean {
    const sessions = this.inodes.get(inode) ?? new Map<number, boolean>();
    this.inodes.delete(inode);
    this.inodes.set(inode, sessions);
    const valid = sessions.get(sessionId);
    if (valid !== undefined) return valid;
    sessions.set(sessionId, false);
    if (this.inodes.size > MAX_INODES) for (const oldest of this.inodes.keys()) return !this.inodes.delete(oldest);
    return false;
  }

  /** The session has read from the file. */
  access(inode: number, sessionId: number): void {
    const sessions = this.inodes.get(inode);
    if (sessions?.has(sessionId) === true) sessions.set(sessionId, true);
  }

  /** The session has changed the file: what others have cached is not valid any more. */
  modify(inode: number, sessionId: number): void {
    const sessions = this.inodes.get(inode);
    if (sessions === undefined) return;
    const own = sessions.has(sessionId);
    sessions.clear();
    if (own) sessions.set(sessionId, true);
    else this.inodes.delete(inode);
  }
}
