import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';

import * as protocol from '../src/index.js';
import {
  allMessages,
  attributes as _attributes,
  CLTOCS_WRITE_DATA,
  crc32,
  crc32Combine,
  directorySizeValue,
  findMessage,
  FrameBuffer,
  FrameParser,
  messageName,
  ProtocolError,
  statusErrno,
  statusText,
  VERSION,
  versionText,
} from '../src/index.js';
import { vectors } from './vectors.js';
import { toolVectors } from './vectors-tools.js';

const hex = (text: string): Buffer => Buffer.from(text.replace(/[\s|]/g, ''), 'hex');

describe('message catalogue', () => {
  it.each([...vectors, ...toolVectors])('$message: $about', ({ message, payload, value }) => {
    const declared = (protocol as unknown as Record<string, protocol.Message<object>>)[
      message
    ] as protocol.Message<object>;
    const bytes = hex(payload);
    const decoded = declared.decode(bytes);
    expect(decoded).toMatchObject(value);
    const frame = declared.encode(decoded);
    expect(frame.readUInt32BE(0)).toBe(declared.type);
    expect(frame.readUInt32BE(4)).toBe(bytes.length);
    expect(frame.subarray(8).toString('hex')).toBe(bytes.toString('hex'));
  });

  it('exports every message under its wire name', () => {
    for (const one of allMessages()) expect((protocol as unknown as Record<string, unknown>)[one.name]).toBe(one);
  });

  it('numbers are unique, but for the two meanings of 499', () => {
    const seen = new Map<number, string[]>();
    for (const one of allMessages()) seen.set(one.type, [...(seen.get(one.type) ?? []), one.name]);
    const shared = [...seen].filter(([, names]) => names.length > 1);
    expect(shared).toEqual([[499, ['CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED', 'MATOCL_FUSE_FSYNC']]]);
    expect(messageName(499, 'master')).toBe('CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED');
    expect(messageName(499, 'client')).toBe('MATOCL_FUSE_FSYNC');
    expect(messageName(9999)).toBe('message 9999');
    expect(findMessage(9999)).toBeUndefined();
  });

  it('any payload gives a value or a ProtocolError naming the message', () => {
    const messages = allMessages();
    fc.assert(
      fc.property(fc.nat(messages.length - 1), fc.uint8Array({ maxLength: 300 }), (index, bytes) => {
        const declared = messages[index] as protocol.Message<unknown>;
        try {
          declared.decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          expect((error as ProtocolError).message).toContain(declared.name);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('what decodes, is encoded to bytes that decode to the same', () => {
    const messages = allMessages();
    let decoded = 0;
    fc.assert(
      fc.property(fc.nat(messages.length - 1), fc.uint8Array({ maxLength: 120 }), (index, bytes) => {
        const declared = messages[index] as protocol.Message<unknown>;
        let value: unknown;
        try {
          value = declared.decode(Buffer.from(bytes));
        } catch {
          return;
        }
        decoded += 1;
        const again = declared.decode(declared.encode(value).subarray(8));
        expect(again).toEqual(value);
      }),
      { numRuns: 20_000 },
    );
    expect(decoded).toBeGreaterThan(100);
  });

  it('a group list that announces more than there is costs nothing', () => {
    const payload = hex('00000001 00000001 01 61 00000000 ffffffff');
    expect(() => protocol.CLTOMA_FUSE_LOOKUP.decode(payload)).toThrow(/CLTOMA_FUSE_LOOKUP\.gids: 4294967295 groups/);
  });

  it('trailing bytes are an error', () => {
    expect(() => protocol.CLTOMA_FUSE_STATFS.decode(Buffer.alloc(5))).toThrow('CLTOMA_FUSE_STATFS: 1 bytes too many');
  });

  it('data is neither copied when sent nor when received', () => {
    const data = Buffer.alloc(65536, 7);
    const [head, tail] = CLTOCS_WRITE_DATA.encodeParts({
      chunkId: 1,
      writeId: 2,
      blocknum: 3,
      offset: 0,
      size: data.length,
      crc: 4,
      data,
    });
    expect(tail).toBe(data);
    expect((head as Buffer).readUInt32BE(4)).toBe(24 + 65536);
    const payload = Buffer.concat([(head as Buffer).subarray(8), data]);
    expect(CLTOCS_WRITE_DATA.decode(payload).data.buffer).toBe(payload.buffer);
  });

  it('data of another length than announced is refused', () => {
    const value = { chunkId: 1, writeId: 2, blocknum: 3, offset: 0, size: 5, crc: 4, data: Buffer.alloc(4) };
    expect(() => CLTOCS_WRITE_DATA.encode(value)).toThrow(RangeError);
    const payload = Buffer.concat([CLTOCS_WRITE_DATA.encode({ ...value, size: 4 }).subarray(8), Buffer.alloc(1)]);
    expect(() => CLTOCS_WRITE_DATA.decode(payload)).toThrow('CLTOCS_WRITE_DATA.data: size 4 with 5 bytes of data');
  });
});

describe('statuses', () => {
  it('have texts and errnos', () => {
    expect(statusText(13)).toBe('No such chunk');
    expect(statusText(200)).toBe('Unknown MFS error');
    expect(statusErrno(0)).toBe(0);
    expect(statusErrno(protocol.MFS_ERROR_ENOENT)).toBe(2);
    expect(statusErrno(protocol.MFS_ERROR_QUOTA)).toBe(122);
    expect(statusErrno(protocol.MFS_ERROR_ERANGE, true)).toBe(22);
    expect(statusErrno(99)).toBe(22);
    expect(protocol.allStatuses()).toHaveLength(54);
    protocol.allStatuses().forEach((info, index) => expect(info.status).toBe(index));
  });
});

describe('versions', () => {
  it('double the last number', () => {
    expect(VERSION).toBe(0x000300ea);
    expect(versionText(0x000300ea)).toBe('3.0.117');
  });
});

describe('checksums', () => {
  it('match the table of spec 04 §2', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(crc32(Buffer.alloc(65536))).toBe(protocol.MFSCRCEMPTY);
    const hello = Buffer.from('hello world\n');
    expect(crc32Combine(crc32(hello), crc32(Buffer.alloc(65536 - hello.length)), 65536 - hello.length)).toBe(
      0x69f4011e,
    );
  });

  it('combine as if computed at once', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ maxLength: 5000 }), (a, b) => {
        expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(crc32(b, crc32(a)));
      }),
    );
  });

  it('hash M is MurmurHash3 for data whose words read the same both ways', () => {
    // MurmurHash3 x86 32: empty with seed 1, and words of equal bytes, where byte order does not matter
    expect(protocol.murmurHash(Buffer.alloc(0), 1)).toBe(0x514e28b7);
    expect(protocol.murmurHash(Buffer.alloc(4), 0)).toBe(0x2362f9de);
    expect(protocol.murmurHash(Buffer.from('ffffffff', 'hex'), 0)).toBe(0x76293b50);
  });
});

describe('challenges', () => {
  it.each([
    [
      'of a client, 02 §3.2',
      '74c9dceb51db498d7552417b19b4a9d115e069fd0aa35ebdde06140094b8ae37',
      protocol.passwordDigest('secret'),
      '71d327e515838f79e195a1258f6a8c20',
    ],
    [
      'of a chunkserver, 03 §6',
      '18ccf56d90d88cc30099943ed4980727cc3cd5d24a6b44702614c1358f82bc0c',
      'secret',
      'ee59f961fd9d5d922d480885c802a6d2',
    ],
  ])('%s', (_about, random, secret, answer) => {
    expect(protocol.challengeAnswer(hex(random), secret).toString('hex')).toBe(answer);
  });
});

describe('directory sizes', () => {
  it.each([
    [0n, 1],
    [109n, 10900],
    [1023n, 102300],
    [1024n, 1_000_100],
    [(1n << 20n) - 1n, 1_102_399],
    [1n << 20n, 2_000_100],
    [1n << 50n, 5_000_100],
    [1n << 60n, 6_000_100],
  ])('of %s bytes', (length, value) => {
    expect(directorySizeValue(length)).toBe(value);
  });
});

describe('FrameParser', () => {
  const frames = [
    hex('00000000 00000000'),
    hex('0000000a 00000004 0000007b'),
    Buffer.concat([hex('000000d4 00000100'), Buffer.alloc(256, 9)]),
  ];

  it('gives the same frames however the bytes arrive', () => {
    const stream = Buffer.concat(frames);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const parser = new FrameParser(1000);
        const edges = [0, ...[...cuts].sort((a, b) => a - b), stream.length];
        const got: string[] = [];
        for (let i = 1; i < edges.length; i++) {
          for (const frame of parser.push(stream.subarray(edges[i - 1], edges[i])))
            got.push(`${frame.type}/${frame.payload.toString('hex')}`);
        }
        expect(got).toEqual(frames.map((one) => `${one.readUInt32BE(0)}/${one.subarray(8).toString('hex')}`));
      }),
    );
  });

  it('does not copy a payload that arrives whole', () => {
    const chunk = Buffer.concat(frames);
    const got = [...new FrameParser(1000).push(chunk)];
    expect(got[2]?.payload.buffer).toBe(chunk.buffer);
  });

  it('refuses an announced length above the limit before its payload arrives', () => {
    const parser = new FrameParser((type) => (type === 5 ? 10 : 1000));
    expect(() => [...parser.push(hex('00000005 0000000b'))]).toThrow('packet too long (11/10); command:5');
  });
});

describe('documentation', () => {
  it('docs/reference/protocol.md lists every message as declared', () => {
    const page = readFileSync(join(__dirname, '../../../docs/reference/protocol.md'), 'utf8');
    expect(page).toBe(protocol.referencePage());
  });
});

describe('FrameBuffer', () => {
  it('gives the frames of a stream, however it arrives and however long they are', () => {
    const frames = [10, 0, 70_000, 300_000, 5, 131_072, 1].map((size, type) => {
      const frame = Buffer.alloc(8 + size, type);
      frame.writeUInt32BE(type, 0);
      frame.writeUInt32BE(size, 4);
      return frame;
    });
    const stream = Buffer.concat([...frames, ...frames]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1 }), (steps) => {
        const buffer = new FrameBuffer(1_000_000, 1);
        const got: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const room = buffer.room();
          const size = Math.min(steps[i % steps.length] as number, room.length, stream.length - at);
          stream.copy(room, 0, at, at + size);
          at += size;
          for (const { payload } of buffer.received(size)) got.push(Buffer.from(payload));
        }
        expect(got.length).toBe(2 * frames.length);
        expect(got.every((payload, i) => payload.equals((frames[i % frames.length] as Buffer).subarray(8)))).toBe(true);
      }),
    );
  });

  it('refuses an announced length above the limit before its payload arrives', () => {
    const buffer = new FrameBuffer(1000, 1);
    hex('00000005 000003e9').copy(buffer.room());
    expect(() => [...buffer.received(8)]).toThrow('packet too long (1001/1000); command:5');
  });
});
