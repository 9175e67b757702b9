import { FakeClock, memoryLogger } from '@wapiti-fs/runtime';

import { ChangelogFeed } from '../../src/storage/changelog-feed.js';

const batch = [{ version: 1, text: '10|IDLE()' }];

describe('feed of changes', () => {
  it('lets answers wait for all followers', async () => {
    const feed = new ChangelogFeed(new FakeClock(), memoryLogger());
    const seen: string[] = [];
    let taken = (): void => undefined;
    feed.follow({
      records: (records) => (
        seen.push(...records.map(({ text }) => text)),
        new Promise((resolve) => (taken = resolve))
      ),
      rotated: () => seen.push('rotated'),
    });
    feed.follow({ records: () => undefined, rotated: () => undefined });
    let done = false;
    const published = feed.publish(batch)?.then(() => (done = true));
    feed.rotate();
    await Promise.resolve();
    expect(seen).toEqual(['10|IDLE()', 'rotated']);
    expect(done).toBe(false);
    taken();
    await published;
    expect(done).toBe(true);
  });

  it('has nothing to wait for without followers or records', () => {
    const feed = new ChangelogFeed(new FakeClock(), memoryLogger());
    expect(feed.publish(batch)).toBeUndefined();
    const end = feed.follow({ records: () => Promise.resolve(), rotated: () => undefined });
    expect(feed.publish([])).toBeUndefined();
    end();
    expect(feed.publish(batch)).toBeUndefined();
  });

  it('gives up waiting for one that is stuck, says so, and waits again once it has caught up', async () => {
    const clock = new FakeClock();
    const log = memoryLogger();
    const feed = new ChangelogFeed(clock, log);
    const taken: (() => void)[] = [];
    feed.follow({ records: () => new Promise((resolve) => taken.push(resolve)), rotated: () => undefined });
    const first = feed.publish(batch);
    clock.advance(1000);
    await first;
    expect(log.lines).toEqual([expect.stringMatching(/^warn: .*answers no longer wait/)]);
    expect(feed.publish(batch)).toBeUndefined();
    taken[0]?.();
    await log.waitFor(/takes changes again/);
    expect(feed.publish(batch)).toBeInstanceOf(Promise);
  });
});
