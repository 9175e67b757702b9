/** `wapiti ls`, `rm`, `mkdir`, `stat`, `df`. */
import { posix } from 'node:path';

import { type Stats, type WapitiFs } from '@wapiti-fs/client';

import { type RemoteOptions, withRemote } from '../remote.js';
import { EXIT, sizeText, type Terminal } from '../terminal.js';

/** Attributes asked for at the same time. */
const AT_ONCE = 32;

/** Does something for every path; what fails is reported, the rest goes on. */
function forEach(
  paths: readonly string[],
  options: RemoteOptions,
  terminal: Terminal,
  perform: (fs: WapitiFs, path: string) => Promise<void>,
): Promise<number> {
  return withRemote(options, terminal, async (fs) => {
    let code: number = EXIT.ok;
    for (const path of paths) {
      terminal.signal.throwIfAborted();
      try {
        await perform(fs, path);
      } catch (error) {
        terminal.signal.throwIfAborted();
        terminal.err(`wapiti: ${(error as Error).message}`);
        code = EXIT.failed;
      }
    }
    return code;
  });
}

export interface ListOptions extends RemoteOptions {
  readonly long?: boolean;
}

export function ls(paths: readonly string[], options: ListOptions, terminal: Terminal): Promise<number> {
  return forEach(paths, options, terminal, async (fs, path) => {
    const stats = await fs.lstat(path);
    const directory = stats.isDirectory() || (stats.isSymbolicLink() && (await isDirectory(fs, path)));
    if (paths.length > 1 && directory) terminal.out(`${path}:`);
    const names = directory ? (await fs.readdir(path)).sort() : [path];
    if (!options.long) return names.forEach((name) => terminal.out(name));
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const lines = names.slice(from, from + AT_ONCE).map((name) => {
        return longLine(fs, directory ? posix.join(path, name) : path, name);
      });
      for (const line of await Promise.all(lines)) if (line !== undefined) terminal.out(line);
    }
  });
}

async function isDirectory(fs: WapitiFs, path: string): Promise<boolean> {
  return fs.stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function longLine(fs: WapitiFs, path: string, name: string): Promise<string | undefined> {
  try {
    const stats = await fs.lstat(path);
    const target = stats.isSymbolicLink() ? ` -> ${await fs.readlink(path)}` : '';
    const owner = `${String(stats.uid).padStart(5)} ${String(stats.gid).padStart(5)}`;
    const size = String(stats.isDirectory() ? 0 : stats.size).padStart(14);
    return `${modeText(stats)} ${String(stats.nlink).padStart(3)} ${owner} ${size} ${timeText(stats.mtime)} ${name}${target}`;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined; // removed since it was listed
    throw error;
  }
}

function kindOf(stats: Stats): { letter: string; text: string } {
  if (stats.isDirectory()) return { letter: 'd', text: 'directory' };
  if (stats.isSymbolicLink()) return { letter: 'l', text: 'symbolic link' };
  if (stats.isFIFO()) return { letter: 'p', text: 'fifo' };
  if (stats.isSocket()) return { letter: 's', text: 'socket' };
  if (stats.isBlockDevice()) return { letter: 'b', text: 'block device' };
  if (stats.isCharacterDevice()) return { letter: 'c', text: 'character device' };
  return { letter: '-', text: 'regular file' };
}

function modeText(stats: Stats): string {
  const { mode } = stats;
  const triplet = (bits: number, special: boolean, letter: string): string => {
    const x = bits & 1 ? (special ? letter : 'x') : special ? letter.toUpperCase() : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${x}`;
  };
  return (
    kindOf(stats).letter +
    triplet((mode >> 6) & 7, (mode & 0o4000) !== 0, 's') +
    triplet((mode >> 3) & 7, (mode & 0o2000) !== 0, 's') +
    triplet(mode & 7, (mode & 0o1000) !== 0, 't')
  );
}

function timeText(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

export function stat(paths: readonly string[], options: RemoteOptions, terminal: Terminal): Promise<number> {
  return forEach(paths, options, terminal, async (fs, path) => {
    const stats = await fs.lstat(path);
    const target = stats.isSymbolicLink() ? ` -> ${await fs.readlink(path)}` : '';
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    terminal.out(`  File: ${path}${target}`);
    terminal.out(`  Type: ${kindOf(stats).text}`);
    if (!stats.isDirectory()) terminal.out(`  Size: ${stats.size} (${sizeText(stats.size)})`);
    terminal.out(` Inode: ${stats.ino}   Links: ${stats.nlink}`);
    terminal.out(`Access: ${mode}/${modeText(stats)}   Uid: ${stats.uid}   Gid: ${stats.gid}`);
    terminal.out(`Access: ${timeText(stats.atime)} UTC`);
    terminal.out(`Modify: ${timeText(stats.mtime)} UTC`);
    terminal.out(`Change: ${timeText(stats.ctime)} UTC`);
  });
}

export interface RemoveOptions extends RemoteOptions {
  readonly recursive?: boolean;
  readonly force?: boolean;
}

export function rm(paths: readonly string[], options: RemoveOptions, terminal: Terminal): Promise<number> {
  const { recursive = false, force = false } = options;
  return forEach(paths, options, terminal, (fs, path) => fs.rm(path, { recursive, force, signal: terminal.signal }));
}

export interface MakeOptions extends RemoteOptions {
  readonly parents?: boolean;
}

export function mkdir(paths: readonly string[], options: MakeOptions, terminal: Terminal): Promise<number> {
  return forEach(paths, options, terminal, async (fs, path) => {
    await fs.mkdir(path, { recursive: options.parents ?? false });
  });
}

export function df(options: RemoteOptions, terminal: Terminal): Promise<number> {
  return withRemote(options, terminal, async (fs) => {
    const space = await fs.statfs();
    const bytes = (blocks: number): string => sizeText(blocks * space.bsize).padStart(12);
    const used = space.blocks - space.bfree;
    const percent = space.blocks === 0 ? 0 : Math.round((used * 100) / space.blocks);
    terminal.out(`${'Size'.padStart(12)}${'Used'.padStart(12)}${'Avail'.padStart(12)}  Use%  Inodes  Trash`);
    terminal.out(
      `${bytes(space.blocks)}${bytes(used)}${bytes(space.bavail)}  ${String(percent).padStart(3)}%  ` +
        `${String(space.files).padStart(6)}  ${sizeText(space.trashBytes)}`,
    );
    return EXIT.ok;
  });
}
