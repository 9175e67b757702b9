import type { Clock } from '@wapiti-fs/runtime';

/** A bounded cache whose entries live for a fixed time; the oldest give way. A lifetime of 0 turns it off. */
export class ExpiringCache<K, V> {
  private readonly entries = new Map<K, { readonly value: V; readonly untilMs: number }>();
  hits = 0;
  misses = 0;
  inserts = 0;

  constructor(
    private readonly clock: Clock,
    readonly lifetimeMs: number,
    private readonly maxEntries: number,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  get(key: K): V | undefined {
    if (this.lifetimeMs === 0) return undefined;
    const entry = this.entries.get(key);
    if (entry === undefined || entry.untilMs <= this.clock.monotonicMs()) {
      if (entry !== undefined) this.entries.delete(key);
      this.misses += 1;
      return undefined;
    }
    this.hits += 1;
    return entry.value;
  }

  set(key: K, value: V): void {
    if (this.lifetimeMs === 0) return;
    this.entries.delete(key);
    // a Map keeps the order of insertion: the first is the oldest
    if (this.entries.size >= this.maxEntries)
      for (const oldest of this.entries.keys()) return this.replace(oldest, key, value);
    this.insert(key, value);
  }

  delete(key: K): void {
    this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
  }

  private replace(oldest: K, key: K, value: V): void {
    this.entries.delete(oldest);
    this.insert(key, value);
  }

  private insert(key: K, value: V): void {
    this.inserts += 1;
    this.entries.set(key, { value, untilMs: this.clock.monotonicMs() + this.lifetimeMs });
  }
}
