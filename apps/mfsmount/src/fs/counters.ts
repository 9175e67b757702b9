/** Numbers shown in `.stats` (spec 13 §11). A parent shows the sum of its children. */

export const OPERATIONS = [
  'statfs',
  'access',
  'lookup.internal',
  'lookup.master.error',
  'lookup.master.negative',
  'lookup.master.positive',
  'lookup.cached.negative',
  'lookup.cached.readdir',
  'getattr-cached',
  'getattr',
  'setattr',
  'mknod',
  'unlink',
  'mkdir',
  'rmdir',
  'symlink',
  'readlink.cached',
  'readlink.master',
  'rename',
  'link',
  'opendir',
  'readdirplus',
  'readdir.with_attrs+',
  'readdir.without_attrs',
  'readdir.with_attrs',
  'releasedir',
  'create',
  'open',
  'release',
  'read',
  'write',
  'flush',
  'fsync',
  'setlk',
  'getlk',
  'flock',
  'removexattr',
  'listxattr',
  'getxattr',
  'setxattr',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export class Counters {
  private readonly counts = new Map<Operation, number>(OPERATIONS.map((name) => [name, 0]));

  add(operation: Operation): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
  }

  reset(): void {
    for (const name of OPERATIONS) this.counts.set(name, 0);
  }

  /** `fuse_ops…: number` for every name of the tree. */
  lines(): string[] {
    const totals = new Map<string, number>([['fuse_ops', 0]]);
    for (const [name, count] of this.counts) {
      const parts = `fuse_ops.${name}`.split('.');
      for (let length = 1; length <= parts.length; length++) {
        const node = parts.slice(0, length).join('.');
        totals.set(node, (totals.get(node) ?? 0) + count);
      }
    }
    return [...totals].map(([name, count]) => `${name}: ${count}`);
  }
}
