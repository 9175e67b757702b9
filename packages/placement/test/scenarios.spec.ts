import {
  MFS_ERROR_EAGAIN,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_NOTDONE,
  MFS_STATUS_OK,
} from '@wapiti-fs/protocol';

import { ServerTable } from '../src/index.js';
import { serverInfo, SimulatedCluster } from './simulated-cluster.js';

/** A chunk of goal 2 on servers 1 and 2 of three. */
function written(): { cluster: SimulatedCluster; chunkId: number } {
  const cluster = new SimulatedCluster(3);
  const chunkId = cluster.table.newChunk(2);
  cluster.manager.create(chunkId, () => undefined);
  cluster.settle();
  expect(holders(cluster, chunkId)).toHaveLength(2);
  return { cluster, chunkId };
}

function holders(cluster: SimulatedCluster, chunkId: number): number[] {
  return cluster.servers.filter((one) => one.disk.has(chunkId)).map((one) => one.id);
}

function locations(cluster: SimulatedCluster, chunkId: number): number[] {
  return cluster.manager
    .locations(chunkId)
    .map((one) => one.id)
    .sort();
}

function lose(cluster: SimulatedCluster, id: number): void {
  cluster.server(id).crash();
  cluster.notice(cluster.server(id));
}

/** What a write does: raise the version if needed, put data on every location. */
function write(cluster: SimulatedCluster, chunkId: number, data: number): void {
  const { manager, table } = cluster;
  expect(manager.canWrite(chunkId, cluster.nowS, 3)).toBe(MFS_STATUS_OK);
  if (manager.needsVersion(chunkId)) {
    const done = jest.fn();
    manager.raiseVersion(chunkId, done);
    cluster.settle();
    expect(done).toHaveBeenCalledWith(MFS_STATUS_OK);
  }
  table.granted(chunkId, 0);
  for (const { id } of manager.locations(chunkId)) {
    const copy = cluster.server(id).disk.get(chunkId);
    expect(copy?.version).toBe(table.version(chunkId));
    if (copy !== undefined) copy.data = data;
  }
}

function loop(cluster: SimulatedCluster, turns = 4): void {
  for (let i = 0; i < turns; i++) {
    cluster.passTime(10);
    cluster.settle();
  }
}

describe('choice of servers', () => {
  const choose = (servers: Parameters<typeof serverInfo>[1][], count: number, masks?: number[][]): number[] => {
    const table = new ServerTable((bound) => bound - 1);
    servers.forEach((more, i) => table.add(serverInfo(i + 1, more)));
    return table.choose(count, new Set(), masks).map((one) => one.id);
  };

  it('takes the emptiest first, each once', () => {
    const total = { totalSpace: 1e12 };
    expect(
      choose(
        [
          { ...total, usedSpace: 9e11 },
          { ...total, usedSpace: 1e11 },
          { ...total, usedSpace: 5e11 },
        ],
        2,
      ),
    ).toEqual([2, 3]);
    expect(choose([total, total], 5)).toHaveLength(2);
  });

  it('leaves out servers that are full, in maintenance or overloaded', () => {
    expect(
      choose(
        [{ totalSpace: 1e9, usedSpace: 1e9 - 1000 }, { maintenance: true }, { hlstatus: 2 }, { totalSpace: 0 }, {}],
        5,
      ),
    ).toEqual([5]);
  });

  it('follows labels, and goes elsewhere when none fits', () => {
    const servers = [{ labelMask: 1 }, { labelMask: 2 }, { labelMask: 3 }];
    expect(choose(servers, 1, [[2, 0, 0, 0]])).not.toEqual([1]);
    expect(choose(servers, 1, [[3, 0, 0, 0]])).toEqual([3]);
    expect(choose(servers, 1, [[8, 0, 0, 0]])).toHaveLength(1);
  });
});

describe('writing', () => {
  it('keeps the version while nothing happens to the copies', () => {
    const { cluster, chunkId } = written();
    write(cluster, chunkId, 1);
    write(cluster, chunkId, 2);
    expect(cluster.table.version(chunkId)).toBe(1);
  });

  it('raises the version when a copy is lost, so that it is old when it returns, and is replaced', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    lose(cluster, second);
    write(cluster, chunkId, 1);
    expect(cluster.table.version(chunkId)).toBe(2);
    cluster.start(cluster.server(second));
    expect(locations(cluster, chunkId)).toEqual([first]);
    expect(cluster.manager.copies(chunkId)).toContainEqual(
      expect.objectContaining({ server: expect.objectContaining({ id: second }), state: 'wrongVersion' }),
    );
    loop(cluster);
    expect(locations(cluster, chunkId)).toHaveLength(2);
    for (const id of locations(cluster, chunkId)) {
      expect(cluster.server(id).disk.get(chunkId)).toEqual({ version: 2, data: 1 });
    }
  });

  it('is told to wait while servers may still report the missing copies', () => {
    const { cluster, chunkId } = written();
    lose(cluster, holders(cluster, chunkId)[0] as number);
    cluster.restartMaster();
    expect(cluster.manager.canWrite(chunkId, cluster.nowS + 5, 3)).toBe(MFS_ERROR_EAGAIN);
    expect(cluster.manager.canWrite(chunkId, cluster.nowS + 11, 3)).toBe(MFS_STATUS_OK);
  });

  it('need not wait when every server is back with all it has', () => {
    const { cluster, chunkId } = written();
    cluster.server(holders(cluster, chunkId)[0] as number).disk.delete(chunkId);
    cluster.restartMaster();
    expect(cluster.manager.canWrite(chunkId, cluster.nowS, 3)).toBe(MFS_STATUS_OK);
    // a folder is still being scanned
    const [id] = locations(cluster, chunkId) as [number];
    cluster.manager.chunkReported(id, 1000, 1, false, cluster.nowS);
    expect(cluster.manager.canWrite(chunkId, cluster.nowS + 1, 3)).toBe(MFS_ERROR_EAGAIN);
    expect(cluster.manager.canWrite(chunkId, cluster.nowS + 4, 3)).toBe(MFS_STATUS_OK);
  });

  it('cannot create without servers, or without space on them', () => {
    const cluster = new SimulatedCluster(1);
    cluster.server(1).crash();
    cluster.notice(cluster.server(1));
    expect(cluster.manager.canCreate()).toBe(MFS_ERROR_NOCHUNKSERVERS);
    cluster.manager.serverConnected(serverInfo(9, { usedSpace: 1e12 }));
    cluster.manager.serverRegistered(9);
    expect(cluster.manager.canCreate()).toBe(MFS_ERROR_NOSPACE);
  });

  it('says NOSPACE when every server refused to create, and forgets the copies', () => {
    const cluster = new SimulatedCluster(2);
    const chunkId = cluster.table.newChunk(2);
    const done = jest.fn();
    cluster.manager.create(chunkId, done);
    for (const one of cluster.servers) while (cluster.execute(one, true) && cluster.answer(one));
    expect(done).toHaveBeenCalledWith(MFS_ERROR_NOSPACE);
    expect(cluster.manager.copies(chunkId)).toEqual([]);
  });

  it('refused by all: the version goes back, and the next write uses it', () => {
    const { cluster, chunkId } = written();
    const done = jest.fn();
    cluster.manager.raiseVersion(chunkId, done);
    for (const one of cluster.servers) while (cluster.execute(one, true) && cluster.answer(one));
    expect(done).toHaveBeenCalledWith(MFS_ERROR_NOTDONE);
    expect(cluster.table.version(chunkId)).toBe(1);
    expect(locations(cluster, chunkId)).toHaveLength(2);
    write(cluster, chunkId, 1);
    expect(cluster.table.version(chunkId)).toBe(2);
  });

  it('servers that go away under an operation have not said that there is no space', () => {
    const { cluster, chunkId } = written();
    const done = jest.fn();
    const servers = locations(cluster, chunkId);
    cluster.manager.truncate(chunkId, 100, done);
    for (const id of servers) lose(cluster, id);
    expect(done.mock.calls).toEqual([[MFS_ERROR_NOTDONE]]);
  });

  it('a copy that has answered and vanishes before the operation ends does not come back as good', () => {
    const cluster = new SimulatedCluster(2);
    const chunkId = cluster.table.newChunk(2);
    cluster.manager.create(chunkId, () => undefined);
    cluster.execute(cluster.server(1));
    cluster.answer(cluster.server(1));
    lose(cluster, 1);
    cluster.settle();
    expect(cluster.table.version(chunkId)).toBe(2);
    cluster.start(cluster.server(1));
    expect(locations(cluster, chunkId)).toEqual([2]);
  });
});

describe('snapshots', () => {
  it('a duplicate starts on exactly the servers of the original, which keeps its version', () => {
    const { cluster, chunkId } = written();
    write(cluster, chunkId, 7);
    const copy = cluster.table.newChunk(2);
    const done = jest.fn();
    cluster.manager.duplicate(copy, chunkId, undefined, done);
    cluster.settle();
    expect(done).toHaveBeenCalledWith(MFS_STATUS_OK);
    expect(locations(cluster, copy)).toEqual(locations(cluster, chunkId));
    for (const id of locations(cluster, copy)) expect(cluster.server(id).disk.get(copy)?.data).toBe(7);
    expect(cluster.table.version(chunkId)).toBe(1);
  });

  it('a duplicate that one server refuses gets another version on the others', () => {
    const { cluster, chunkId } = written();
    const copy = cluster.table.newChunk(2);
    const done = jest.fn();
    cluster.manager.duplicate(copy, chunkId, 100, done);
    const [first] = holders(cluster, chunkId) as [number];
    cluster.execute(cluster.server(first), true);
    cluster.settle();
    expect(done).toHaveBeenCalledWith(MFS_STATUS_OK);
    expect(cluster.table.version(copy)).toBe(2);
    expect(locations(cluster, copy)).toHaveLength(1);
  });
});

describe('the loop', () => {
  it('replicates undergoal chunks, and a write meanwhile makes the new copy an old one', () => {
    const { cluster, chunkId } = written();
    const spare = [1, 2, 3].find((id) => !holders(cluster, chunkId).includes(id)) as number;
    lose(cluster, holders(cluster, chunkId)[0] as number);
    cluster.passTime(10);
    expect(cluster.server(spare).inbox).toEqual([expect.objectContaining({ type: 'replicate', chunkId, version: 1 })]);
    cluster.execute(cluster.server(spare));
    write(cluster, chunkId, 5);
    cluster.settle();
    expect(locations(cluster, chunkId)).not.toContain(spare);
    loop(cluster);
    expect(locations(cluster, chunkId)).toContain(spare);
    expect(cluster.server(spare).disk.get(chunkId)?.data).toBe(5);
  });

  it('replicates again when the destination dies or never answers', () => {
    const { cluster, chunkId } = written();
    const [lost] = holders(cluster, chunkId) as [number];
    const spare = [1, 2, 3].find((id) => !holders(cluster, chunkId).includes(id)) as number;
    lose(cluster, lost);
    cluster.passTime(10);
    lose(cluster, spare);
    cluster.start(cluster.server(spare));
    cluster.passTime(10);
    expect(cluster.server(spare).inbox).toHaveLength(1);
    cluster.server(spare).inbox = [];
    cluster.passTime(100);
    expect(cluster.server(spare).inbox).toHaveLength(0);
    cluster.passTime(21);
    expect(cluster.server(spare).inbox).toHaveLength(1);
  });

  it('deletes what is above the goal from the fullest server', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    Object.assign(cluster.manager.servers.get(second) ?? {}, { usedSpace: 9e11 });
    cluster.table.row(chunkId).goal = 1;
    loop(cluster, 1);
    expect(holders(cluster, chunkId)).toEqual([first]);
    // The deletion might not have been carried out: the next write leaves such a copy behind.
    expect(cluster.manager.needsVersion(chunkId)).toBe(true);
  });

  it('deletes unused chunks, but forgets them only when no server is missing', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    lose(cluster, second);
    cluster.table.row(chunkId).goal = 0;
    loop(cluster);
    expect(holders(cluster, chunkId)).toEqual([second]);
    expect(cluster.table.version(chunkId)).toBe(1);
    cluster.start(cluster.server(second));
    loop(cluster);
    expect(holders(cluster, chunkId)).toEqual([]);
    expect(cluster.table.version(chunkId)).toBeUndefined();
    expect(first).not.toBe(second);
  });

  it('touches nothing that is locked', () => {
    const { cluster, chunkId } = written();
    cluster.table.row(chunkId).goal = 1;
    cluster.table.row(chunkId).lockedTo = cluster.nowS + 1000;
    loop(cluster);
    expect(holders(cluster, chunkId)).toHaveLength(2);
  });

  it('keeps an unknown chunk for a week', () => {
    const cluster = new SimulatedCluster(1);
    cluster.manager.chunkReported(1, 5, 3, false, cluster.nowS);
    expect(cluster.table.row(5)).toEqual({ version: 3, goal: 0, lockedTo: cluster.nowS + 604_800 });
    cluster.manager.chunkReported(1, 2_000_000_000, 3, false, cluster.nowS);
    expect(cluster.table.version(2_000_000_000)).toBeUndefined();
  });

  it('replaces a damaged copy, and keeps it while it is the only one', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    cluster.manager.chunkDamaged(second, chunkId, cluster.nowS);
    cluster.manager.chunkDamaged(first, chunkId, cluster.nowS);
    loop(cluster);
    expect(holders(cluster, chunkId)).toHaveLength(2);
    expect(cluster.manager.isCertainlyLost(cluster.nowS, 3)).toBe(true);
  });
});

describe('a restarted master', () => {
  it('takes copies that an operation of its predecessor left one version behind, once all servers are there', () => {
    const { cluster, chunkId } = written();
    cluster.table.row(chunkId).version = 2; // recorded, but never told to the servers
    const [first, second] = holders(cluster, chunkId) as [number, number];
    lose(cluster, second);
    cluster.restartMaster();
    cluster.nowS += 20;
    expect(cluster.manager.tryRepair(chunkId, cluster.nowS)).toBe(false);
    cluster.start(cluster.server(second));
    cluster.nowS += 20;
    expect(cluster.manager.canWrite(chunkId, cluster.nowS, 3)).toBe(MFS_ERROR_EAGAIN);
    expect(locations(cluster, chunkId)).toEqual([first, second].sort());
    write(cluster, chunkId, 1);
    expect(cluster.table.version(chunkId)).toBe(2);
  });

  it('raises what an operation of its predecessor left behind, though a server is missing, and not to a version that one may have', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    lose(cluster, second);
    write(cluster, chunkId, 1);
    cluster.manager.versionRestored(chunkId); // the next write raises the version
    cluster.manager.raiseVersion(chunkId, () => undefined);
    expect(cluster.table.version(chunkId)).toBe(3); // recorded, but never told to the server
    cluster.restartMaster();
    cluster.nowS += 20;
    expect(cluster.manager.canWrite(chunkId, cluster.nowS, 3)).toBe(MFS_ERROR_EAGAIN);
    cluster.settle();
    expect(locations(cluster, chunkId)).toEqual([first]);
    expect(cluster.server(first).disk.get(chunkId)).toEqual({ version: 5, data: 1 });
    cluster.start(cluster.server(second));
    expect(locations(cluster, chunkId)).toEqual([first]);
  });

  it('leaves copies of a server that missed a granted version alone', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    lose(cluster, second);
    write(cluster, chunkId, 1);
    lose(cluster, first);
    cluster.start(cluster.server(second));
    cluster.restartMaster();
    loop(cluster);
    expect(cluster.manager.tryRepair(chunkId, cluster.nowS)).toBe(false);
    expect(locations(cluster, chunkId)).toEqual([]);
    expect(cluster.server(second).disk.get(chunkId)?.version).toBe(1);
  });

  it('takes copies that are ahead of its records, though a server is missing', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    cluster.server(first).disk.set(chunkId, { version: 2, data: 3 });
    cluster.server(second).crash();
    cluster.restartMaster();
    cluster.nowS += 20;
    expect(cluster.manager.tryRepair(chunkId, cluster.nowS)).toBe(true);
    expect(locations(cluster, chunkId)).toEqual([first]);
  });

  it('does not give a version again that a server has whose record was lost', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    cluster.server(first).disk.set(chunkId, { version: 2, data: 0 });
    cluster.restartMaster();
    cluster.nowS += 20;
    write(cluster, chunkId, 5);
    expect(cluster.table.version(chunkId)).toBe(3);
    expect(locations(cluster, chunkId)).toEqual([second]);
  });

  it('takes one server that is a version ahead for wrong when another has the recorded one', () => {
    const { cluster, chunkId } = written();
    const [first, second] = holders(cluster, chunkId) as [number, number];
    Object.assign(cluster.server(first).disk.get(chunkId) ?? {}, { version: 2 });
    cluster.restartMaster();
    expect(locations(cluster, chunkId)).toEqual([second]);
  });
});
