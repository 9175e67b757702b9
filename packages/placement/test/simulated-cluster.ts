import {
  MFS_ERROR_EEXIST,
  MFS_ERROR_IO,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_NOTDONE,
  MFS_STATUS_OK,
} from '@wapiti-fs/protocol';

import {
  ChunkManager,
  type ChunkTable,
  type Command,
  DEFAULT_CHUNK_MANAGER_OPTIONS,
  type ServerInfo,
  ServerTable,
} from '../src/index.js';

export function serverInfo(id: number, more: Partial<ServerInfo> = {}): ServerInfo {
  return {
    id,
    ip: id,
    port: 9422,
    version: 0,
    labelMask: 0,
    usedSpace: 0,
    totalSpace: 1e12,
    chunks: 0,
    tdUsedSpace: 0,
    tdTotalSpace: 0,
    tdChunks: 0,
    load: 0,
    hlstatus: 0,
    maintenance: false,
    errorCount: 0,
    registered: false,
    ...more,
  };
}

/** The metadata's side of chunks, in memory; it outlives a restart of the master. */
export class MemoryChunkTable implements ChunkTable {
  readonly rows = new Map<number, { version: number; goal: number; lockedTo: number }>();
  nextId = 1;

  newChunk(goal: number): number {
    const id = this.nextId++;
    this.rows.set(id, { version: 1, goal, lockedTo: 0 });
    return id;
  }
  row(id: number): { version: number; goal: number; lockedTo: number } {
    const row = this.rows.get(id);
    if (row === undefined) throw new Error(`no chunk ${id}`);
    return row;
  }
  version = (id: number): number | undefined => this.rows.get(id)?.version;
  goal = (id: number): number => this.rows.get(id)?.goal ?? 0;
  labels = (): [] => [];
  lockedTo = (id: number): number => this.rows.get(id)?.lockedTo ?? 0;
  chunkIds = (): number[] => [...this.rows.keys()];
  private readonly raisedFrom = new Map<number, number>();
  heldFrom = (id: number): number | undefined => this.raisedFrom.get(id);
  /** A writer is given the chunk as it is (WRITE). */
  granted(id: number, lockedTo: number): void {
    this.row(id).lockedTo = lockedTo;
    this.raisedFrom.delete(id);
  }
  add(id: number, version: number, lockedTo: number): void {
    this.rows.set(id, { version, goal: 0, lockedTo });
  }
  delete(id: number): void {
    this.rows.delete(id);
  }
  setVersion(id: number, version: number): void {
    const row = this.row(id);
    if (version <= (this.raisedFrom.get(id) ?? 0)) this.raisedFrom.delete(id);
    else if (version <= row.version) row.version = version;
    else if (row.lockedTo === 0 && !this.raisedFrom.has(id)) this.raisedFrom.set(id, row.version);
    row.version = version;
  }
}

interface DiskCopy {
  version: number;
  /** Number of the write that the content stands for. */
  data: number;
}

/** A chunkserver: a disk that survives, commands under way to it and answers under way back. */
class SimulatedServer {
  readonly disk = new Map<number, DiskCopy>();
  inbox: Command[] = [];
  answers: (() => void)[] = [];
  up = false;
  /** The master has it for connected. */
  connected = false;

  constructor(readonly id: number) {}

  crash(): void {
    this.up = false;
    this.inbox = [];
    this.answers = [];
  }
}

/**
 * A cluster of one master's chunk manager and some chunkservers. Nothing happens by itself: commands are executed, answers
 * arrive, failures are noticed when a step says so.
 */
export class SimulatedCluster {
  readonly table = new MemoryChunkTable();
  readonly servers: SimulatedServer[];
  manager: ChunkManager;
  nowS = 0;
  private generation = 0;

  constructor(serverCount: number) {
    this.servers = Array.from({ length: serverCount }, (_, i) => new SimulatedServer(i + 1));
    this.manager = this.newManager();
    for (const one of this.servers) this.start(one);
    this.passTime(200);
  }

  private newManager(): ChunkManager {
    const generation = ++this.generation;
    return new ChunkManager(
      this.table,
      new ServerTable(() => 0),
      (id, command) => {
        const server = this.server(id);
        if (generation === this.generation && server.up) server.inbox.push(command);
      },
      this.nowS,
      () => this.table.nextId,
      () => undefined,
      { ...DEFAULT_CHUNK_MANAGER_OPTIONS, replicationsDelayInitS: 6, knownServers: () => this.servers.length },
    );
  }

  server(id: number): SimulatedServer {
    const found = this.servers[id - 1];
    if (found === undefined) throw new Error(`no server ${id}`);
    return found;
  }

  /** Comes up, connects and reports what is on its disk. */
  start(server: SimulatedServer): void {
    if (server.connected) return;
    server.up = true;
    server.connected = true;
    this.manager.serverConnected(serverInfo(server.id));
    for (const [chunkId, { version }] of server.disk) {
      this.manager.chunkReported(server.id, chunkId, version, false, this.nowS);
    }
    this.manager.serverRegistered(server.id);
  }

  /** The master notices that a server is gone. */
  notice(server: SimulatedServer): void {
    if (server.up || !server.connected) return;
    server.connected = false;
    this.manager.serverLost(server.id, this.nowS);
  }

  /** The master dies and starts again from its metadata; servers connect anew, commands under way are lost. */
  restartMaster(): void {
    for (const server of this.servers) {
      server.inbox = [];
      server.answers = [];
      server.connected = false;
    }
    this.manager = this.newManager();
    for (const server of this.servers) if (server.up) this.start(server);
  }

  passTime(seconds: number): void {
    this.nowS += seconds;
    this.manager.tick(this.nowS);
  }

  /** Executes the first command under way to a server; `refuse`: it says that it did nothing. */
  execute(server: SimulatedServer, refuse = false): boolean {
    const command = server.inbox.shift();
    if (command === undefined) return false;
    const status = refuse && command.type !== 'delete' ? MFS_ERROR_NOTDONE : this.run(server, command);
    const { manager } = this;
    const id = server.id;
    server.answers.push(() => {
      switch (command.type) {
        case 'delete':
          return manager.deleteAnswered(id, command.chunkId, status);
        case 'replicate':
          return manager.replicationAnswered(id, command.chunkId, command.version, status, this.nowS);
        default:
          return manager.operationAnswered(id, 'newChunkId' in command ? command.newChunkId : command.chunkId, status);
      }
    });
    return true;
  }

  private run({ disk }: SimulatedServer, command: Command): number {
    switch (command.type) {
      case 'create':
        if (disk.has(command.chunkId)) return MFS_ERROR_EEXIST;
        disk.set(command.chunkId, { version: command.version, data: 0 });
        return MFS_STATUS_OK;
      case 'delete': {
        const copy = disk.get(command.chunkId);
        if (copy === undefined || (command.version !== 0 && command.version !== copy.version)) return MFS_ERROR_NOCHUNK;
        disk.delete(command.chunkId);
        return MFS_STATUS_OK;
      }
      case 'setVersion':
      case 'truncate': {
        const copy = disk.get(command.chunkId);
        if (copy?.version !== command.oldVersion) return MFS_ERROR_NOCHUNK;
        copy.version = command.newVersion;
        return MFS_STATUS_OK;
      }
      case 'duplicate':
      case 'duptrunc': {
        const copy = disk.get(command.oldChunkId);
        if (copy?.version !== command.oldVersion) return MFS_ERROR_NOCHUNK;
        disk.set(command.newChunkId, { version: command.newVersion, data: copy.data });
        return MFS_STATUS_OK;
      }
      case 'replicate': {
        const source = this.server(command.sourceIp);
        const copy = source.disk.get(command.chunkId);
        if (!source.up || copy?.version !== command.version || disk.has(command.chunkId)) return MFS_ERROR_IO;
        disk.set(command.chunkId, { ...copy });
        return MFS_STATUS_OK;
      }
    }
  }

  /** The first answer of a server reaches the master. */
  answer(server: SimulatedServer): boolean {
    const answer = server.answers.shift();
    answer?.();
    return answer !== undefined;
  }

  /** Everything under way arrives. */
  settle(): void {
    for (let busy = true; busy;) {
      busy = false;
      for (const one of this.servers) {
        this.notice(one);
        while (this.execute(one) || this.answer(one)) busy = true;
      }
    }
  }
}
