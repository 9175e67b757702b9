/** Chunkservers as placement sees them, and the choice among them (spec 10 §11, §12). */

/** Number of a server while it is connected; csid of spec 03 §7. */
export type ServerId = number;

export interface ServerInfo {
  readonly id: ServerId;
  readonly ip: number;
  readonly port: number;
  readonly version: number;
  labelMask: number;
  usedSpace: number;
  totalSpace: number;
  chunks: number;
  tdUsedSpace: number;
  tdTotalSpace: number;
  tdChunks: number;
  load: number;
  /** HLSTATUS_* of its last report. */
  hlstatus: number;
  maintenance: boolean;
  errorCount: number;
  /** Has sent its whole list (registration part END). */
  registered: boolean;
}

/** Servers with less free space get no new chunks: they would be full before the chunk is. */
export const MIN_FREE_BYTES = 64 * 1024 * 1024;
const HLSTATUS_OVERLOADED = 2;
/** Usages closer to each other than this count as equal, so that new chunks spread at random. */
const USAGE_STEP = 0.02;

export class ServerTable {
  private readonly servers = new Map<ServerId, ServerInfo>();

  /** @param random uniform integer in [0, bound) */
  constructor(private readonly random: (bound: number) => number) {}

  add(server: ServerInfo): void {
    this.servers.set(server.id, server);
  }

  remove(id: ServerId): void {
    this.servers.delete(id);
  }

  get(id: ServerId): ServerInfo | undefined {
    return this.servers.get(id);
  }

  all(): Iterable<ServerInfo> {
    return this.servers.values();
  }

  get count(): number {
    return this.servers.size;
  }

  /** Sums over connected servers, in bytes. */
  get space(): { total: number; free: number } {
    let total = 0;
    let free = 0;
    for (const one of this.servers.values()) {
      total += one.totalSpace;
      free += Math.max(0, one.totalSpace - one.usedSpace);
    }
    return { total, free };
  }

  /** Random order. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.random(i + 1);
      [items[i], items[j]] = [items[j] as T, items[i] as T];
    }
    return items;
  }

  /**
   * Up to `count` distinct servers for new copies, the emptiest first (share of used space), none of `exclude`. `masks`: one
   * label expression a copy, each four OR-ed masks of AND-ed labels, first mask 0 = anywhere (spec 01 §7.12); a copy whose
   * expression no server fulfils goes anywhere (mode "standard", spec 10 §13).
   */
  choose(count: number, exclude: ReadonlySet<ServerId>, masks: readonly (readonly number[])[] = []): ServerInfo[] {
    const usable = [...this.servers.values()].filter(
      (one) =>
        !exclude.has(one.id) &&
        !one.maintenance &&
        one.hlstatus !== HLSTATUS_OVERLOADED &&
        one.totalSpace - one.usedSpace >= MIN_FREE_BYTES,
    );
    const usage = new Map(usable.map((one) => [one.id, Math.floor(one.usedSpace / one.totalSpace / USAGE_STEP)]));
    const ordered = this.shuffle(usable).sort((a, b) => (usage.get(a.id) ?? 0) - (usage.get(b.id) ?? 0));
    const chosen: ServerInfo[] = [];
    for (let copy = 0; copy < count && ordered.length > 0; copy++) {
      const wanted = masks[copy];
      const matching = wanted === undefined ? 0 : ordered.findIndex((one) => matches(one.labelMask, wanted));
      chosen.push(...ordered.splice(Math.max(0, matching), 1));
    }
    return chosen;
  }
}

/** Whether a server's labels fulfil a label expression. */
export function matches(labelMask: number, expression: readonly number[]): boolean {
  if ((expression[0] ?? 0) === 0) return true;
  return expression.some((mask) => mask !== 0 && (labelMask & mask) === mask);
}
