/** One chunkserver as a process, in folders of its own, with a master that the test plays. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FakeMaster, Listener, type Peer } from '../../apps/mfschunkserver/test/peers.js';
import { binary } from './lab.js';
import { type Background, background } from './processes.js';

const SPACE_REPORT = 101;

export class LoneChunkserver {
  readonly dir: string;
  readonly dataPath: string;
  /** The only data folder. */
  readonly disk: string;
  private running: { readonly process: Background; readonly port: number } | undefined;
  private connected: FakeMaster | undefined;

  private constructor(
    name: string,
    private readonly listener: Listener,
  ) {
    this.dir = mkdtempSync(join(tmpdir(), `wapiti-${name}-`));
    this.dataPath = join(this.dir, 'data');
    this.disk = join(this.dir, 'disk');
    mkdirSync(this.dataPath);
    mkdirSync(this.disk);
    writeFileSync(join(this.dir, 'hdd.cfg'), `${this.disk}\n`);
    const settings = {
      WORKING_USER: 'root',
      WORKING_GROUP: 'root',
      DATA_PATH: this.dataPath,
      HDD_CONF_FILENAME: join(this.dir, 'hdd.cfg'),
      HDD_LEAVE_SPACE_DEFAULT: '0',
      MASTER_HOST: '127.0.0.1',
      MASTER_PORT: listener.port,
      MASTER_RECONNECTION_DELAY: 0,
      CSSERV_LISTEN_HOST: '127.0.0.1',
      CSSERV_LISTEN_PORT: 0,
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(join(this.dir, 'cs.cfg'), lines.join(''));
  }

  /** Folders and configuration; nothing runs yet. */
  static async prepare(name: string): Promise<LoneChunkserver> {
    return new LoneChunkserver(name, await Listener.open());
  }

  /** Starts the process; resolves when it has registered and its folder is scanned: before that it takes no chunks. */
  async start(): Promise<void> {
    const [command, ...first] = binary('mfschunkserver', 'wapiti') as [string, ...string[]];
    const process = background('mfschunkserver', command, [...first, '-f', '-c', join(this.dir, 'cs.cfg'), 'start']);
    this.running = { process, port: 0 };
    const { link } = await this.register();
    // A folder shows its room when it is scanned.
    while ((await link.nextOf(SPACE_REPORT)).payload.readBigUInt64BE(8) === 0n);
    const announced = /listen on 127\.0\.0\.1:(\d+)/;
    await process.waitFor(announced);
    this.running = { process, port: Number(announced.exec(process.output)?.[1]) };
  }

  /** Plays the master for the next connection of the chunkserver. */
  async register(): Promise<FakeMaster> {
    this.connected = await FakeMaster.register(this.listener);
    return this.connected;
  }

  /** The next connection of the chunkserver to its master, of which nothing was answered. */
  accept(): Promise<Peer> {
    return this.listener.accept();
  }

  get process(): Background {
    if (this.running === undefined) throw new Error('the chunkserver was not started');
    return this.running.process;
  }

  get port(): number {
    return this.running?.port ?? 0;
  }

  get master(): FakeMaster {
    if (this.connected === undefined) throw new Error('the chunkserver has not registered');
    return this.connected;
  }

  /** Ends the process and removes everything; does nothing a second time. */
  async destroy(): Promise<void> {
    this.listener.close();
    await this.running?.process.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
