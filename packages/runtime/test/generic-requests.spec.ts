import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOAN_VERSION,
  type Frame,
  NOP_FRAME,
  ProtocolError,
  VERSION_STRING,
} from '@wapiti-fs/protocol';

import { FakeClock, type FramedConnection, MemoryNetwork, takeGeneric } from '../src/index.js';

const values: Record<string, string> = {
  LABELS: 'A,B',
  AUTH_CODE: 'secret',
  ADMIN_PASSWORD: 'secret',
  LONG: 'x'.repeat(300),
};

describe('what every port takes in every state (spec 01 §8)', () => {
  let clock: FakeClock;
  let peer: FramedConnection;
  let taken: boolean[];
  let failure: unknown;
  let answers: Frame[];

  beforeEach(async () => {
    clock = new FakeClock();
    const network = new MemoryNetwork(clock);
    taken = [];
    failure = undefined;
    answers = [];
    await network.listen({ host: '*', port: 9, limit: 1000 }, (connection) =>
      connection.setHandlers({
        frame: (frame) => taken.push(takeGeneric(connection, frame, (name) => values[name] ?? '')),
        close: (error) => (failure = error),
      }),
    );
    const connecting = network.connect({ host: '127.0.0.1', port: 9, limit: 1000, connectTimeoutMs: 100 });
    await clock.advanceAsync(1);
    peer = await connecting;
    peer.setHandlers({
      frame: ({ type, payload }) => answers.push({ type, payload: Buffer.from(payload) }),
      close: () => undefined,
    });
  });

  async function ask(...frames: Buffer[]): Promise<Frame[]> {
    for (const frame of frames) peer.send(frame);
    await clock.advanceAsync(1);
    return answers.splice(0);
  }

  const config = async (name: string): Promise<string> => {
    const [answer] = await ask(ANTOAN_GET_CONFIG.encode({ msgid: 7, name: Buffer.from(name) }));
    const { msgid, value } = ANTOAN_CONFIG_VALUE.decode((answer as Frame).payload);
    expect(msgid).toBe(7);
    return value.toString();
  };

  it('tells the version, with the msgid of the request if it has one', async () => {
    const [plain, numbered] = await ask(
      ANTOAN_GET_VERSION.encode({ variant: 'plain' }),
      ANTOAN_GET_VERSION.encode({ variant: 'msgid', msgid: 5 }),
    );
    const text = Buffer.from(VERSION_STRING);
    expect(ANTOAN_VERSION.decode((plain as Frame).payload)).toMatchObject({ variant: 'plain', text });
    expect(ANTOAN_VERSION.decode((numbered as Frame).payload)).toMatchObject({ variant: 'msgid', msgid: 5, text });
    expect(taken).toEqual([true, true]);
  });

  it('tells values of the configuration, but no secrets', async () => {
    expect(await config('LABELS')).toBe('A,B');
    expect(await config('UNKNOWN')).toBe('');
    expect(await config('LONG')).toBe('x'.repeat(255));
    expect(await config('AUTH_CODE')).toBe('');
    expect(await config('ADMIN_PASSWORD')).toBe('');
  });

  it('takes NOPs and complaints without an answer, and leaves all else to the caller', async () => {
    const complaint = ({ type }: { type: number }): Buffer => {
      const frame = Buffer.alloc(8 + 4);
      frame.writeUInt32BE(type, 0);
      frame.writeUInt32BE(4, 4);
      return frame;
    };
    const other = complaint({ type: 1234 });
    expect(await ask(NOP_FRAME, complaint(ANTOAN_UNKNOWN_COMMAND), complaint(ANTOAN_BAD_COMMAND_SIZE), other)).toEqual(
      [],
    );
    expect(taken).toEqual([true, true, true, false]);
  });

  it('throws on a malformed request', async () => {
    const broken = Buffer.from(ANTOAN_GET_CONFIG.encode({ msgid: 7, name: Buffer.from('A') }));
    broken.writeUInt8(200, 8 + 4);
    await ask(broken);
    expect(failure).toBeInstanceOf(ProtocolError);
  });
});
