import type { Metadata } from '@wapiti-fs/metadata';

/** Operations of CSDBOP (spec 03 §7). */
const CSDB_ADD = 0;
const CSDB_DEL = 1;
const CSDB_NEWIPPORT = 2;
const CSDB_NEWID = 3;
const CSDB_MAINTENANCEON = 4;
const CSDB_MAINTENANCEOFF = 5;
const CSDB_MAINTENANCETMP = 6;
const MAX_CSID = 65535;
const DAY_S = 86_400;

/** The persistent list of known chunkservers. */
export class ServerDatabase {
  /** csid -> when it was connected last; not persistent. */
  private readonly lastSeenS = new Map<number, number>();

  constructor(
    private readonly metadata: Metadata,
    private readonly nowS: () => number,
  ) {}

  private get list(): Metadata['store']['tables']['chunkservers'] {
    return this.metadata.store.tables.chunkservers;
  }

  get count(): number {
    return this.list.length;
  }

  entries(): readonly { ip: number; port: number; csid: number; maintenance: number; maintenanceTimeout: number }[] {
    return this.list;
  }

  find(ip: number, port: number): { ip: number; port: number; csid: number; maintenance: number } | undefined {
    return this.list.find((one) => one.ip === ip && one.port === port);
  }

  private commit(operation: number, ip: number, port: number, argument: number): void {
    this.metadata.commit({ op: 'CSDBOP', ts: this.nowS(), operation, ip, port, argument });
  }

  /**
   * Finds or makes the entry of a registering server and returns its id; undefined: refused, since a server with this
   * identity is connected (spec 03 §7).
   */
  register(ip: number, port: number, csid: number, isConnected: (csid: number) => boolean): number | undefined {
    const byId = csid > 0 ? this.list.find((one) => one.csid === csid) : undefined;
    const byAddress = this.find(ip, port);
    if (byId !== undefined && byId === byAddress) return isConnected(csid) ? undefined : csid;
    if (byAddress !== undefined) {
      if (byAddress.csid !== 0 && isConnected(byAddress.csid)) return undefined;
      if (byAddress.csid === 0) this.commit(CSDB_NEWID, ip, port, this.freeId());
      return byAddress.csid;
    }
    if (byId !== undefined && !isConnected(csid)) {
      this.commit(CSDB_NEWIPPORT, ip, port, csid);
      return csid;
    }
    if (csid > 0 && byId === undefined) {
      this.commit(CSDB_ADD, ip, port, csid);
      return csid;
    }
    this.commit(CSDB_ADD, ip, port, 0);
    const id = this.freeId();
    this.commit(CSDB_NEWID, ip, port, id);
    return id;
  }

  private freeId(): number {
    const used = new Set(this.list.map((one) => one.csid));
    for (let id = 1; id <= MAX_CSID; id++) if (!used.has(id)) return id;
    throw new Error('all 65535 chunkserver ids are in use');
  }

  remove(ip: number, port: number): void {
    this.commit(CSDB_DEL, ip, port, 0);
  }

  setMaintenance(ip: number, port: number, on: boolean, untilS: number): void {
    this.commit(on ? CSDB_MAINTENANCEON : CSDB_MAINTENANCEOFF, ip, port, on ? untilS : 0);
  }

  setTemporaryMaintenance(ip: number, port: number, untilS: number): void {
    this.commit(CSDB_MAINTENANCETMP, ip, port, untilS);
  }

  /** Forgets servers that were not connected for so long (0: never); those not seen since the start are counted from then on. */
  removeUnused(days: number, isConnected: (csid: number) => boolean): void {
    const now = this.nowS();
    for (const { ip, port, csid } of [...this.list]) {
      if (isConnected(csid) || !this.lastSeenS.has(csid)) this.lastSeenS.set(csid, now);
      else if (days > 0 && now - (this.lastSeenS.get(csid) ?? now) > days * DAY_S) {
        this.lastSeenS.delete(csid);
        this.remove(ip, port);
      }
    }
  }

  /** Ends maintenance whose time is over. */
  expireMaintenance(): void {
    const now = this.nowS();
    for (const one of [...this.list]) {
      if (one.maintenance !== 0 && one.maintenanceTimeout !== 0 && one.maintenanceTimeout < now) {
        this.commit(CSDB_MAINTENANCEOFF, one.ip, one.port, 0);
      }
    }
  }
}
