/** Reading of /dev/fuse: by the event loop where that is possible, else by threads that wait in read(2). */
import { closeSync, read as readDescriptor } from 'node:fs';
import { Socket } from 'node:net';

import { IN_HEADER_SIZE, Opcode } from './constants.js';

/** Buffers of answered WRITEs kept for reading. */
const SPARE_BUFFERS = 4;
const DEFAULT_READERS = 2;

/** Handles a request. Undefined: the buffer can be used again; else it can when the promise has resolved. */
export type TakeRequest = (buffer: Buffer, sizeBytes: number) => Promise<void> | undefined;

/** Buffers for requests, each for one at a time. */
export class RequestBuffers {
  private readonly spare: Buffer[] = [];

  constructor(private readonly sizeBytes: number) {}

  take(): Buffer {
    return this.spare.pop() ?? Buffer.allocUnsafeSlow(this.sizeBytes);
  }

  /** Hands a request over; tells the buffer for the next one. */
  handled(buffer: Buffer, sizeBytes: number, take: TakeRequest): Buffer {
    const isWrite = sizeBytes >= IN_HEADER_SIZE && buffer.readUInt32LE(4) === Opcode.WRITE;
    const answered = take(buffer, sizeBytes);
    if (!isWrite || answered === undefined) return buffer;
    // The file system works on its data: the next request goes to another buffer.
    void answered.then(() => {
      if (this.spare.length < SPARE_BUFFERS) this.spare.push(buffer);
    });
    return this.take();
  }
}

/**
 * Reads requests until the mount ends, and closes `fd`. Resolves with undefined when it was unmounted, else with what failed.
 * `readers`: threads of the pool to read with; undefined: the event loop reads, if it can.
 */
export function readDevice(
  fd: number,
  buffers: RequestBuffers,
  take: TakeRequest,
  readers?: number,
): Promise<Error | undefined> {
  const handle = readers === undefined ? pollable(fd) : undefined;
  if (handle !== undefined) return pollLoop(handle, buffers, take);
  return threadLoop(fd, buffers, take, readers ?? DEFAULT_READERS).finally(() => closeSync(fd));
}

type PipeModule = {
  readonly Pipe: new (kind: number) => { open(fd: number): number | undefined };
  readonly constants: { readonly SOCKET: number };
};

/**
 * The device as a handle of the event loop, for which net.Socket has no public way: it takes descriptors of pipes and sockets only,
 * though libuv reads any that poll(2) knows. Undefined where this runtime does not give the class of its pipes.
 */
function pollable(fd: number): object | undefined {
  try {
    const { binding } = process as unknown as { binding: (name: string) => unknown };
    const { Pipe, constants } = binding('pipe_wrap') as PipeModule;
    const handle = new Pipe(constants.SOCKET);
    const error = handle.open(fd);
    return error === undefined || error === 0 ? handle : undefined;
  } catch {
    return undefined;
  }
}

function pollLoop(handle: object, buffers: RequestBuffers, take: TakeRequest): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let buffer = buffers.take();
    const options = {
      handle,
      writable: false,
      onread: {
        buffer: (): Buffer => buffer,
        callback: (sizeBytes: number): boolean => {
          buffer = buffers.handled(buffer, sizeBytes, take);
          return true;
        },
      },
    };
    const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
    let failure: Error | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENODEV') failure = error;
    });
    socket.on('close', () => resolve(failure));
    socket.resume();
  });
}

function threadLoop(
  fd: number,
  buffers: RequestBuffers,
  take: TakeRequest,
  readers: number,
): Promise<Error | undefined> {
  let stopped = false;
  const reader = (): Promise<Error | undefined> =>
    new Promise((resolve) => {
      let buffer = buffers.take();
      const next = (): void => {
        if (stopped) return resolve(undefined);
        readDescriptor(fd, buffer, 0, buffer.length, null, (error, sizeBytes) => {
          if (error !== null) {
            if (error.code === 'EINTR' || error.code === 'EAGAIN' || error.code === 'ENOENT') return next();
            stopped = true;
            return resolve(error.code === 'ENODEV' ? undefined : error);
          }
          buffer = buffers.handled(buffer, sizeBytes, take);
          next();
        });
      };
      next();
    });
  return Promise.all(Array.from({ length: readers }, reader)).then((results) =>
    results.find((one) => one !== undefined),
  );
}
