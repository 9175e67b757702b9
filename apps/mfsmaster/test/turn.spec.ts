import { Turn } from '../src/turn.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('one turn of the event loop', () => {
  it('writes the records before any answer leaves, once for all requests of the turn', async () => {
    const events: string[] = [];
    const turn = new Turn(
      () => events.push('records'),
      () => events.push('failure'),
    );
    turn.afterFlush(() => events.push('answer 1'));
    turn.afterFlush(() => events.push('answer 2'));
    expect(events).toEqual([]);
    await nextTurn();
    expect(events).toEqual(['records', 'answer 1', 'answer 2']);
  });

  it('acknowledges nothing when the records cannot be written', async () => {
    const failures: unknown[] = [];
    const full = new Error('no space left');
    const answer = jest.fn();
    const turn = new Turn(
      () => {
        throw full;
      },
      (error) => failures.push(error),
    );
    turn.afterFlush(answer);
    await nextTurn();
    expect(failures).toEqual([full]);
    expect(answer).not.toHaveBeenCalled();
  });
});
