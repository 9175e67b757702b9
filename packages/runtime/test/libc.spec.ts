import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import {
  findGroup,
  findUser,
  getResourceLimit,
  interfaceIndex,
  LibcError,
  LockedError,
  lockFileOwner,
  lockOwner,
  lockWholeFile,
  PacketSocket,
  RawSocket,
  RLIMIT_NOFILE,
  runInRealTime,
  setResourceLimit,
  unlockWholeFile,
} from '../src/index.js';

const PROTOCOL = 253; // for experiments (RFC 3692)

describe('record locks', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'runtime-lock-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  it('keep another process out, which learns our pid', () => {
    const path = join(dir, 'lock');
    const fd = openSync(path, 'w');
    lockWholeFile(fd, path);
    const script = `import fcntl,sys,struct
f=open(sys.argv[1],'w')
try:
  fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB)
  print('free')
except OSError:
  r=fcntl.fcntl(f,fcntl.F_GETLK,struct.pack('hhqqi4x',fcntl.F_WRLCK,0,0,0,0))
  print(struct.unpack('hhqqi4x',r)[4])`;
    const other = (): string => spawnSync('python3', ['-c', script, path], { encoding: 'utf8' }).stdout.trim();
    expect(other()).toBe(String(process.pid));
    unlockWholeFile(fd, path);
    expect(other()).toBe('free');
    closeSync(fd);
  });

  it('of another process are respected and its pid found', async () => {
    const path = join(dir, 'lock');
    const script = `import fcntl,sys
f=open(sys.argv[1],'w')
fcntl.lockf(f,fcntl.LOCK_EX)
print('locked',flush=True)
sys.stdin.read()`;
    const holder = spawn('python3', ['-c', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const fd = openSync(path, 'w');
    expect(lockOwner(fd, path)).toBe(holder.pid);
    expect(lockFileOwner(path)).toBe(holder.pid);
    expect(lockFileOwner(join(dir, 'nothing'))).toBeUndefined();
    let caught: unknown;
    try {
      lockWholeFile(fd, path);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(LockedError);
    expect((caught as LockedError).owner).toBe(holder.pid);
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    holder.stdin.end();
    await ended;
    expect(lockFileOwner(path)).toBeUndefined();
    lockWholeFile(fd, path);
    closeSync(fd);
  });

  it('need a writable descriptor: typed error', () => {
    const path = join(dir, 'lock');
    closeSync(openSync(path, 'w'));
    const fd = openSync(path, 'r');
    expect(() => lockWholeFile(fd, path)).toThrow(
      expect.objectContaining({ code: 'EBADF', syscall: 'fcntl' }) as Error,
    );
    closeSync(fd);
  });
});

describe('process', () => {
  it('finds users and groups', () => {
    expect(findUser('root')).toEqual({ name: 'root', uid: 0, gid: 0 });
    expect(findUser(0)?.name).toBe('root');
    expect(findUser('no-such-user-here')).toBeUndefined();
    expect(findGroup('root')).toBe(0);
    expect(findGroup('no-such-group-here')).toBeUndefined();
  });

  it('runs in real time, without what it starts', () => {
    const main = join(__dirname, '../dist/index.js');
    const script = `require(${JSON.stringify(main)}).runInRealTime(7);
      const policy = (pid) => require('fs').readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ').slice(37, 39);
      const child = require('child_process').spawn('sleep', ['100']);
      console.log(JSON.stringify([policy('self'), policy(child.pid)]));
      child.kill();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    // real-time priority and policy (SCHED_RR = 2, SCHED_OTHER = 0): proc(5), fields 40 and 41
    expect(JSON.parse(stdout)).toEqual([
      ['7', '2'],
      ['0', '0'],
    ]);
    expect(() => runInRealTime(1000)).toThrow(expect.objectContaining({ code: 'EINVAL' }) as Error);
  });

  it('sets resource limits', () => {
    const before = getResourceLimit(RLIMIT_NOFILE);
    setResourceLimit(RLIMIT_NOFILE, { soft: 1000n, hard: before.hard });
    expect(getResourceLimit(RLIMIT_NOFILE)).toEqual({ soft: 1000n, hard: before.hard });
    setResourceLimit(RLIMIT_NOFILE, before);
    expect(() => setResourceLimit(RLIMIT_NOFILE, { soft: 10n, hard: 5n })).toThrow(LibcError);
  });
});

describe('raw sockets (as root)', () => {
  it('send and receive on loopback, header first', async () => {
    const receiver = RawSocket.open({ protocol: PROTOCOL, interface: 'lo' });
    const sender = RawSocket.open({ protocol: PROTOCOL });
    sender.setSending({ ttl: 77 });
    const packets: [string, string, number][] = [];
    let enough: () => void;
    const done = new Promise<void>((resolve) => (enough = resolve));
    receiver.onPacket((packet, source) => {
      const headerBytes = ((packet[0] ?? 0) & 15) * 4;
      packets.push([packet.subarray(headerBytes).toString(), source, packet[8] ?? 0]);
      if (packets.length === 50) enough();
    });
    for (let i = 0; i < 50; i++) sender.send(Buffer.from(`packet ${i}`), '127.0.0.1');
    await done;
    expect(packets[0]).toEqual(['packet 0', '127.0.0.1', 77]);
    expect(packets[49]?.[0]).toBe('packet 49');
    receiver.close();
    receiver.close();
    sender.close();
    expect(() => sender.send(Buffer.alloc(1), '127.0.0.1')).toThrow('closed');
  });

  it('receive what a group gets, only after joining', async () => {
    const group = '224.0.0.251';
    const receiver = RawSocket.open({ protocol: PROTOCOL, interface: 'lo' });
    const sender = RawSocket.open({ protocol: PROTOCOL, interface: 'lo' });
    sender.setMulticast({ ttl: 255, loop: true });
    receiver.joinMulticast(group);
    const got = new Promise<Buffer>((resolve) => receiver.onPacket((packet) => resolve(Buffer.from(packet))));
    sender.send(Buffer.from('to all'), group);
    const packet = await got;
    expect(packet.subarray(20).toString()).toBe('to all');
    expect(packet[8]).toBe(255);
    expect(packet.subarray(16, 20)).toEqual(Buffer.from([224, 0, 0, 251]));
    receiver.leaveMulticast(group);
    receiver.close();
    sender.close();
  });

  it('take packets with their header made by us', async () => {
    const receiver = RawSocket.open({ protocol: PROTOCOL, interface: 'lo' });
    const sender = RawSocket.open({ protocol: PROTOCOL, interface: 'lo', headerIncluded: true });
    const got = new Promise<[Buffer, string]>((resolve) =>
      receiver.onPacket((packet, source) => resolve([Buffer.from(packet), source])),
    );
    const header = Buffer.from([0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 99, PROTOCOL, 0, 0, 127, 0, 0, 9, 127, 0, 0, 1]);
    sender.send(Buffer.concat([header, Buffer.from('own header')]), '127.0.0.1');
    const [packet, source] = await got;
    expect(source).toBe('127.0.0.9');
    expect(packet[8]).toBe(99);
    expect(packet.subarray(20).toString()).toBe('own header');
    receiver.close();
    sender.close();
  });

  it('refuse unknown interfaces with a typed error', () => {
    expect(() => RawSocket.open({ protocol: PROTOCOL, interface: 'nosuch0' })).toThrow(
      expect.objectContaining({ code: 'ENODEV' }) as Error,
    );
    expect(() => PacketSocket.open('nosuch0')).toThrow(expect.objectContaining({ code: 'ENODEV' }) as Error);
    expect(() => interfaceIndex('nosuch0')).toThrow('nosuch0');
  });

  it('packet sockets send Ethernet frames', async () => {
    const script = `import socket
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(0x88b5))
s.bind(('lo',0x88b5))
print('ready',flush=True)
print(s.recv(2000).hex(),flush=True)`;
    const peer = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface(peer.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('ready');
    const sender = PacketSocket.open('lo');
    const frame = Buffer.concat([
      Buffer.alloc(6, 0xff),
      Buffer.from('0200000000aa88b5', 'hex'),
      Buffer.from('gratuitous'),
    ]);
    sender.send(frame);
    expect((await lines.next()).value).toBe(frame.toString('hex'));
    expect(() => sender.send(Buffer.alloc(13))).toThrow(RangeError);
    sender.close();
  });
});
