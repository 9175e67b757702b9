/** Operations on more than one name, made of single ones. */
import { TYPE_DIRECTORY } from '@wapiti-fs/protocol';

import type { MfsClient } from '../client/client.js';
import type { Caller, DirectoryEntry } from '../client/types.js';
import { MfsError } from '../errors.js';
import { PIECE_BYTES } from './file-handle.js';
import { componentsOf, type PathLike, resolvePath } from './paths.js';
import type { Abortable, WapitiFs } from './wapiti-fs.js';

/** Names removed at the same time in one directory. */
const REMOVED_AT_ONCE = 16;

/** Makes a directory and its missing parents; the path of the first one made, or undefined. */
export async function makeDirectories(
  client: MfsClient,
  caller: Caller,
  path: PathLike,
  mode: number,
  umask: number,
): Promise<string | undefined> {
  const components = componentsOf(path);
  const pathOf = (count: number): Buffer =>
    Buffer.concat(components.slice(0, count).flatMap((name) => [Buffer.from('/'), name]));
  let existing = components.length;
  let parent: number | undefined;
  for (; parent === undefined; existing--) {
    try {
      const found = await resolvePath(client, caller, pathOf(existing), true);
      if (found.attributes.type !== TYPE_DIRECTORY)
        throw new MfsError('not a directory in the way', {
          code: existing === components.length ? 'EEXIST' : 'ENOTDIR',
        });
      parent = found.inode;
      break;
    } catch (error) {
      if (!(error instanceof MfsError) || error.code !== 'ENOENT' || existing === 0) throw error;
    }
  }
  let first: string | undefined;
  for (let depth = existing; depth < components.length; depth++) {
    const name = components[depth] as Buffer;
    try {
      parent = (await client.mkdir(caller, parent as number, name, mode, umask)).inode;
      first ??= pathOf(depth + 1).toString();
    } catch (error) {
      // Somebody else made it meanwhile.
      if (!(error instanceof MfsError) || error.code !== 'EEXIST') throw error;
      parent = (await resolvePath(client, caller, pathOf(depth + 1), true)).inode;
    }
  }
  return first;
}

export async function removeTree(
  client: MfsClient,
  caller: Caller,
  parent: number,
  name: Buffer,
  recursive: boolean,
): Promise<void> {
  const { inode, attributes } = await client.lookup(caller, parent, name);
  await removeEntry(client, caller, parent, name, inode, attributes.type, recursive);
}

async function removeEntry(
  client: MfsClient,
  caller: Caller,
  parent: number,
  name: Buffer,
  inode: number,
  type: number,
  recursive: boolean,
): Promise<void> {
  if (type !== TYPE_DIRECTORY) return void (await client.unlink(caller, parent, name));
  if (!recursive) throw new MfsError('Is a directory', { code: 'EISDIR' });
  const directories: DirectoryEntry[] = [];
  const others: DirectoryEntry[] = [];
  for (const entry of await client.directories.read(caller, inode)) {
    const text = entry.name.toString('latin1');
    if (text === '.' || text === '..') continue;
    (entry.type === TYPE_DIRECTORY ? directories : others).push(entry);
  }
  const unlinkSome = async (): Promise<void> => {
    for (let entry = others.pop(); entry !== undefined; entry = others.pop())
      await client.unlink(caller, inode, entry.name);
  };
  await Promise.all(Array.from({ length: Math.min(REMOVED_AT_ONCE, others.length) }, unlinkSome));
  for (const entry of directories) await removeEntry(client, caller, inode, entry.name, entry.inode, entry.type, true);
  await client.rmdir(caller, parent, name);
}

export async function copyTo(
  fs: WapitiFs,
  from: PathLike,
  to: PathLike,
  options: Abortable & { readonly exclusive?: boolean },
): Promise<void> {
  const source = await fs.open(from, 'r', undefined, options);
  try {
    const { mode, ino } = await source.stat();
    const present = await fs.stat(to, options).catch(() => undefined);
    if (present?.ino === ino)
      throw new MfsError('source and destination are one file', { code: 'EINVAL', path: String(to) });
    const target = await fs.open(to, options.exclusive ? 'wx' : 'w', mode & 0o7777, options);
    try {
      for (;;) {
        options.signal?.throwIfAborted();
        const { bytesRead, buffer } = await source.read(Buffer.allocUnsafe(PIECE_BYTES));
        if (bytesRead === 0) break;
        await target.writeOwned(buffer.subarray(0, bytesRead));
      }
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
