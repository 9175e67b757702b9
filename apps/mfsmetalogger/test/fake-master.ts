import { MetadataStore, writeImage } from '@wapiti-fs/metadata';
import {
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  ANTOMA_REGISTER,
  crc32,
  type Frame,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
  type MessageValue,
} from '@wapiti-fs/protocol';
import type { FramedConnection, MemoryNetwork } from '@wapiti-fs/runtime';

export const METAID = 0x0123456789abcdefn;

/** An image with nothing in it. */
export function image(version: number, metaid = METAID): Buffer {
  const store = MetadataStore.empty(5);
  store.version = version;
  store.metaid = metaid;
  return Buffer.concat([...writeImage(store, 5)]);
}

export const text = (version: number): string => `179555${version}|ACCESS(1)`;
export const line = (version: number): string => `${version}: ${text(version)}\n`;
export const lines = (from: number, to: number): string =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => line(from + i)).join('');

type Registration = MessageValue<typeof ANTOMA_REGISTER>;

/** A master whose every answer a test decides. Without instructions it behaves. */
export class FakeMaster {
  files: Record<number, Buffer | undefined>;
  readonly registrations: Registration[] = [];
  readonly starts: number[] = [];
  connection: FramedConnection | undefined;
  connections = 0;
  /** Takes a request away from the normal treatment. */
  intercept: (frame: Frame, connection: FramedConnection) => boolean = () => false;
  /** Next change that would be remembered; changes from here on are sent to a peer that resumes. */
  remembered: [number, string][] = [];
  private open: Buffer | undefined;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly network: MemoryNetwork,
    readonly host = 'master',
    private version = 10,
  ) {
    this.files = { 1: image(5), 11: Buffer.from(lines(5, version - 1)), 12: Buffer.from(lines(1, 4)) };
  }

  async listen(): Promise<void> {
    await this.network.host(this.host).listen({ host: '*', port: 9419, limit: 1_500_000 }, (connection) => {
      this.connection = connection;
      this.connections++;
      connection.setHandlers({ frame: (frame) => this.receive(frame, connection), close: () => undefined });
    });
  }

  /** Makes the next change and sends it. */
  change(version = this.version, content = text(version)): void {
    this.version = version + 1;
    this.connection?.send(
      MATOAN_METACHANGES_LOG.encode({
        variant: 'change',
        marker: 0xff,
        version,
        text: Buffer.from(`${content}\0`),
      }),
    );
  }

  rotate(): void {
    this.connection?.send(MATOAN_METACHANGES_LOG.encode({ variant: 'rotate', marker: 0x55 }));
  }

  /** Resolves at the next registration. */
  registered(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private receive(frame: Frame, connection: FramedConnection): void {
    if (this.intercept(frame, connection)) return;
    switch (frame.type) {
      case ANTOMA_REGISTER.type: {
        const registration = ANTOMA_REGISTER.decode(frame.payload);
        this.registrations.push(registration);
        if (registration.variant === 'resume')
          for (const [version, content] of this.remembered)
            if (version >= registration.firstVersion) this.change(version, content);
        for (const resolve of this.waiting.splice(0)) resolve();
        return;
      }
      case ANTOMA_DOWNLOAD_START.type: {
        const { filenum } = ANTOMA_DOWNLOAD_START.decode(frame.payload);
        this.starts.push(filenum);
        this.open = this.files[filenum];
        const size = this.open?.length;
        connection.send(
          size === undefined
            ? MATOAN_DOWNLOAD_INFO.encode({ variant: 'status', status: 0xff })
            : MATOAN_DOWNLOAD_INFO.encode({ variant: 'size', size }),
        );
        return;
      }
      case ANTOMA_DOWNLOAD_REQUEST.type: {
        const { offset, length } = ANTOMA_DOWNLOAD_REQUEST.decode(frame.payload);
        const data = (this.open ?? Buffer.alloc(0)).subarray(offset, offset + length);
        connection.send(MATOAN_DOWNLOAD_DATA.encode({ offset, size: data.length, crc: crc32(data), data }));
        return;
      }
      case ANTOMA_DOWNLOAD_END.type:
        this.open = undefined;
        return;
      default:
    }
  }
}
