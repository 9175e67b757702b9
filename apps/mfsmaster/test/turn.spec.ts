import { Turn } from '../src/turn.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const frame = (text: string): Buffer => Buffer.from(text);

/** A turn that tells what happens in which order. */
function observed(publish: () => Promise<void> | undefined = () => undefined) {
  const events: string[] = [];
  const disk = { full: false };
  const turn = new Turn(
    () => {
      events.push(disk.full ? 'full' : 'records');
      return !disk.full;
    },
    () => {
      events.push('published');
      return publish();
    },
    (error) => events.push((error as Error).message),
  );
  const receiver = { send: (bytes: Buffer) => events.push(bytes.toString()) > 0 };
  return { events, disk, turn, receiver };
}

describe('one turn of the event loop', () => {
  it('writes the records before any answer leaves, once for all requests of the turn', async () => {
    const { events, turn, receiver } = observed();
    turn.send(receiver, frame('answer 1'));
    turn.afterFlush(() => events.push('callback'));
    turn.send(receiver, frame('answer 2'));
    expect(events).toEqual([]);
    await nextTurn();
    expect(events).toEqual(['records', 'published', 'answer 1', 'callback', 'answer 2']);
  });

  it('acknowledges nothing while the records cannot be written, and everything afterwards', async () => {
    const { events, disk, turn, receiver } = observed();
    disk.full = true;
    turn.send(receiver, frame('answer'));
    await nextTurn();
    expect(turn.blocked).toBe(true);
    expect(events).toEqual(['full']);
    disk.full = false;
    turn.flush();
    expect(turn.blocked).toBe(false);
    expect(events).toEqual(['full', 'records', 'published', 'answer']);
  });

  it('lets answers wait for the metaloggers, in order', async () => {
    const taken: (() => void)[] = [];
    const { events, turn, receiver } = observed(() => new Promise((resolve) => taken.push(resolve)));
    turn.send(receiver, frame('answer 1'));
    await nextTurn();
    turn.send(receiver, frame('answer 2'));
    await nextTurn();
    expect(events).toEqual(['records', 'published', 'records', 'published']);
    taken[1]?.();
    await nextTurn();
    expect(events).toHaveLength(4);
    taken[0]?.();
    await nextTurn();
    expect(events.slice(4)).toEqual(['answer 1', 'answer 2']);
  });

  it('goes on when the work of a timer fails', async () => {
    const { events, turn } = observed();
    turn.run(() => {
      throw new Error('failed');
    });
    await nextTurn();
    expect(events).toEqual(['failed', 'records', 'published']);
  });
});
