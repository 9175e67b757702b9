import { FileOperations } from '@wapiti-fs/metadata';
import { CLTOMA_FSTEST_INFO, MATOCL_FSTEST_INFO } from '@wapiti-fs/protocol';

import { TestMaster } from './peers.js';

const STEPS = 32_768;

/** Spec 09 §28.3, 10 §20, 11 §3.8. */
describe('the loop over all files', () => {
  let master: TestMaster;
  let inodes: number[];

  beforeEach(async () => {
    master = await TestMaster.start();
    const mount = await master.mounted();
    inodes = [];
    for (const name of ['whole', 'under', 'lost', 'lost behind the end']) inodes.push(await mount.create(name));
  });
  afterEach(() => master.destroy());

  /** A whole loop's steps at a time so far behind the start. */
  function run(secondsLater: number): void {
    master.aheadMs = secondsLater * 1000;
    const { fileCheck } = master.role.context;
    for (let step = 0; step < STEPS; step++) fileCheck.step();
  }

  async function told(): Promise<unknown> {
    const monitor = await master.peer(master.clientPort);
    monitor.send(CLTOMA_FSTEST_INFO.encode({ mode: 1 }));
    return monitor.nextOf(MATOCL_FSTEST_INFO);
  }

  /** A chunk for each file; the last file has one that its length does not reach. */
  function write(): number[] {
    const { metadata, sessions, nowS } = master.role.context;
    const files = new FileOperations(metadata);
    return inodes.map((inode, i) => {
      const ctx = sessions.context(1, nowS(), 0, [0]);
      const plan = files.planWrite(ctx, inode, i === 3 ? 2 : 0, false);
      if (!('action' in plan)) throw new Error(`write: status ${plan.status}`);
      files.commitWrite(nowS(), plan, true);
      files.writeEnd(ctx, plan.chunkId, inode, i === 3 ? 0 : 10);
      return plan.chunkId;
    });
  }

  it('tells what is missing, but not before chunkservers had time to come', async () => {
    const [whole = 0, under = 0, , behind = 0] = write();
    const { nodes } = master.role.context.metadata.store;
    await master.chunkserver(9001, [
      { chunkId: whole, version: 1 },
      { chunkId: under, version: 1 },
    ]);
    const second = await master.chunkserver(9002, [{ chunkId: whole, version: 1 }]);
    run(800);
    expect(await told()).toMatchObject({ loopStart: 0, files: 0 });
    expect(nodes.chunkAt(inodes[3] ?? 0, 2)).toBe(behind);

    run(1000);
    expect(await told()).toMatchObject({
      ...{ files: 4, chunks: 4, undergoalFiles: 1, undergoalChunks: 1, missingFiles: 1, missingChunks: 1 },
      ...{ missingTrashFiles: 0, missingSustainedFiles: 0 },
    });
    expect(nodes.chunkAt(inodes[3] ?? 0, 2)).toBe(0);
    expect(master.role.describe?.().join('\n')).toMatch(
      /files checked: 4, with missing chunks: 1, with too few copies: 1/,
    );

    // A lost chunkserver may come back: nothing is called missing for ten minutes.
    second.destroy();
    await master.log.waitFor(/chunkserver disconnected address=127.0.0.1:9002/);
    run(1500);
    expect(await told()).toMatchObject({ chunks: 4, undergoalFiles: 1 });
    run(1700);
    expect(await told()).toMatchObject({ chunks: 3, undergoalFiles: 2, missingFiles: 1 });
  });
});
