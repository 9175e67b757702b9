/** Chunks that are being made for a place in a file which still has another: requests for the place wait for them. */
export class PendingCopies {
  private readonly byInode = new Map<number, Map<number, number>>();

  add(inode: number, index: number, chunkId: number): void {
    let places = this.byInode.get(inode);
    if (places === undefined) this.byInode.set(inode, (places = new Map<number, number>()));
    places.set(index, chunkId);
  }

  /** The chunk to wait for, 0 = none. */
  at(inode: number, index: number): number {
    return this.byInode.get(inode)?.get(index) ?? 0;
  }

  delete(inode: number, index: number): void {
    const places = this.byInode.get(inode);
    if (places?.delete(index) === true && places.size === 0) this.byInode.delete(inode);
  }
}
