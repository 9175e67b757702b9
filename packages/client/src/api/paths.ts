/** From paths to inodes: one LOOKUP for each component, as the protocol has no other way (spec 02 §6.3). */
import { MFS_NAME_MAX, MFS_ROOT_ID, TYPE_SYMLINK } from '@wapiti-fs/protocol';

import type { MfsClient } from '../client/client.js';
import type { Caller, Entry } from '../client/types.js';
import { MfsError } from '../errors.js';

/** Absolute or not, a path begins at the root of the session. */
export type PathLike = string | Buffer;

/** As in Linux. */
const MAX_SYMLINKS = 40;
const SLASH = 0x2f;

/** Components without empty ones and `.`. */
export function componentsOf(path: PathLike): Buffer[] {
  const bytes = typeof path === 'string' ? Buffer.from(path) : path;
  if (bytes.includes(0)) throw new MfsError('zero byte in the path', { code: 'EINVAL' });
  const components: Buffer[] = [];
  for (let from = 0; from <= bytes.length;) {
    let end = bytes.indexOf(SLASH, from);
    if (end < 0) end = bytes.length;
    const one = bytes.subarray(from, end);
    if (one.length > MFS_NAME_MAX) throw new MfsError('name too long', { code: 'ENAMETOOLONG' });
    if (one.length > 0 && !(one.length === 1 && one[0] === 0x2e)) components.push(one);
    from = end + 1;
  }
  return components;
}

/** The entry at a path. `follow`: a symlink in the last place is followed. */
export async function resolvePath(client: MfsClient, caller: Caller, path: PathLike, follow: boolean): Promise<Entry> {
  const found = await walk(client, caller, MFS_ROOT_ID, componentsOf(path), follow, { left: MAX_SYMLINKS });
  return found ?? { inode: MFS_ROOT_ID, attributes: await client.getattr(caller, MFS_ROOT_ID) };
}

/** The directory that holds (or would hold) a path's last component, and that name. */
export async function resolveParent(
  client: MfsClient,
  caller: Caller,
  path: PathLike,
): Promise<{ readonly parent: number; readonly name: Buffer }> {
  const components = componentsOf(path);
  const name = components.pop();
  if (name === undefined) throw new MfsError('the root cannot be made, renamed or removed', { code: 'EBUSY' });
  if (name.toString('latin1') === '..') throw new MfsError("'..' in the last place", { code: 'EINVAL' });
  const found = await walk(client, caller, MFS_ROOT_ID, components, true, { left: MAX_SYMLINKS });
  return { parent: found?.inode ?? MFS_ROOT_ID, name };
}

/** The last entry; undefined when there were no components: the start itself. */
async function walk(
  client: MfsClient,
  caller: Caller,
  start: number,
  components: readonly Buffer[],
  follow: boolean,
  symlinks: { left: number },
): Promise<Entry | undefined> {
  let current: Entry | undefined;
  for (const [index, name] of components.entries()) {
    const parent: number = current?.inode ?? start;
    const entry = await client.lookup(caller, parent, name);
    const last = index === components.length - 1;
    if (entry.attributes.type !== TYPE_SYMLINK || (last && !follow)) {
      current = entry;
      continue;
    }
    if (symlinks.left-- === 0) throw new MfsError('too many symbolic links', { code: 'ELOOP' });
    const target = await client.readlink(caller, entry.inode);
    const from = target[0] === SLASH ? MFS_ROOT_ID : parent;
    const reached = await walk(client, caller, from, componentsOf(target), true, symlinks);
    current = reached ?? { inode: from, attributes: await client.getattr(caller, from) };
  }
  return current;
}
