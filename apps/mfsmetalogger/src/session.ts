import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOMA_REGISTER,
  type Frame,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
  ProtocolError,
  VERSION,
} from '@wapiti-fs/protocol';
import type { FramedConnection } from '@wapiti-fs/runtime';

import type { ChangelogWriter } from './changelog-writer.js';
import { RefusedMasterError } from './errors.js';
import { MasterFiles } from './master-files.js';

const LF = 10;
const NUL = 0;
/** Reading stops while so much waits to be written. */
const MAX_UNWRITTEN_BYTES = 32 * 1024 * 1024;

export interface SessionEvents {
  /** The stream has a gap; what comes after it goes to a new file. `covered`: a download asked for before brings what is missing. */
  gap(from: number, to: number, covered: boolean): void;
  /** A change has come that was made at this second (0: not readable). */
  change(madeAtS: number): void;
}

/** One registered connection: the stream of changes, and the channel of downloads beside it (spec 06 §5.4). */
export class Session {
  readonly files: MasterFiles;
  private registered = false;
  private linesSeen = false;
  private downloadAsked = false;

  /** Number of the last change of the stream, 0: none. */
  private last = 0;

  constructor(
    readonly connection: FramedConnection,
    private readonly writer: ChangelogWriter,
    private readonly timeoutS: number,
    private readonly events: SessionEvents,
  ) {
    this.files = new MasterFiles(connection);
  }

  /** Registered: changes may come. */
  get following(): boolean {
    return this.registered && !this.connection.closed;
  }

  /**
   * There is no answer: success is silence.
   *
   * @param last number of the last change held; the master sends what follows, if it still knows it. 0: what is new
   */
  register(last: number): void {
    this.registered = true;
    this.last = last;
    const common = { version: VERSION, timeoutS: this.timeoutS };
    this.connection.send(
      last === 0
        ? ANTOMA_REGISTER.encode({ variant: 'fresh', rver: 1, ...common })
        : ANTOMA_REGISTER.encode({ variant: 'resume', rver: 2, ...common, firstVersion: last + 1 }),
    );
  }

  /** What is downloaded from now on reaches to where the stream of this connection begins. */
  downloadStarts(): void {
    this.downloadAsked = this.registered;
  }

  receive(frame: Frame): void {
    switch (frame.type) {
      case MATOAN_METACHANGES_LOG.type:
        return this.metachanges(frame.payload);
      case MATOAN_DOWNLOAD_INFO.type:
      case MATOAN_DOWNLOAD_DATA.type:
        return this.files.receive(frame);
      case ANTOAN_NOP.type:
      case ANTOAN_UNKNOWN_COMMAND.type:
      case ANTOAN_BAD_COMMAND_SIZE.type:
        return;
      default:
        throw new ProtocolError(`got unknown message (type:${frame.type})`);
    }
  }

  private metachanges(payload: Buffer): void {
    const message = MATOAN_METACHANGES_LOG.decode(payload);
    if (message.variant === 'rotate') return this.writer.rotate();
    const { version, text } = message;
    // one NUL, at the end; a newline would break the file
    if (text.length < 2 || text.indexOf(NUL) !== text.length - 1 || text.includes(LF))
      throw new ProtocolError('invalid string', 'MATOAN_METACHANGES_LOG', 'text');
    if (this.last > 0 && version <= this.last)
      throw new RefusedMasterError(`the master sent change ${version} after ${this.last}: an older state`);
    if (this.last > 0 && version !== this.last + 1) {
      this.writer.rotate();
      this.events.gap(this.last + 1, version - 1, this.downloadAsked && !this.linesSeen);
    }
    this.linesSeen = true;
    this.last = version;
    this.writer.append(version, text.subarray(0, -1));
    this.events.change(Number.parseInt(text.toString('latin1', 0, 10), 10) || 0);
    if (this.writer.queuedBytes > MAX_UNWRITTEN_BYTES) this.connection.pause();
  }
}
