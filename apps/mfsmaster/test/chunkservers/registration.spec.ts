import { TestMaster } from '../peers.js';

describe('registration of chunkservers', () => {
  it('needs the secret where there is one', async () => {
    const master = await TestMaster.start({ config: { AUTH_CODE: 'secret' } });
    try {
      const guesses = await master.newChunkserver();
      await expect(guesses.register(9422, [], 'guess')).rejects.toThrow(/closed before/);
      expect(master.log.lines.join('\n')).toMatch(/wrong AUTH_CODE/);
      expect(master.log.lines.join('\n')).not.toContain('secret');
      const knows = await master.newChunkserver();
      await knows.register(9422, [], 'secret');
      await master.log.waitFor(/chunkserver registered address=127\.0\.0\.1:9422 csid=1/);
    } finally {
      await master.destroy();
    }
  });

  it('refuses a second server of the same identity, and takes it once the first has gone', async () => {
    const master = await TestMaster.start();
    try {
      const first = await master.chunkserver(9422);
      const second = await master.newChunkserver();
      await expect(second.register(9422)).rejects.toThrow(/closed before/);
      first.destroy();
      await master.log.waitFor(/chunkserver disconnected address=127\.0\.0\.1:9422/);
      const third = await master.newChunkserver();
      await third.register(9422);
      expect(master.role.context.chunkservers.database.count).toBe(1);
    } finally {
      await master.destroy();
    }
  });
});
