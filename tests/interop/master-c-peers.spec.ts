import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Daemon, type Implementation, Lab } from '../harness/lab.js';

const HOSTS = { m1: '10.1.1.105', m2: '10.1.1.106', a: '10.1.1.1', b: '10.1.1.2', cl: '10.1.1.111' };
const FILES = 2000;
const LARGE_MIB = 200;

/** Our master with a C client, and with C or our chunkservers. */
describe.each<{ chunkservers: Implementation }>([{ chunkservers: 'c' }, { chunkservers: 'wapiti' }])(
  'our master with $chunkservers chunkservers and a C mount',
  ({ chunkservers }) => {
    let lab: Lab;
    let dir: string;
    let master: Daemon;
    let source: string;

    const client = async (...args: string[]): Promise<string> =>
      (await lab.on('cl', args[0] as string, args.slice(1))).stdout;
    const shell = (script: string): Promise<string> => client('sh', '-ec', script);
    const startMaster = (options: string[]): Promise<Daemon> =>
      lab.master('m1', { name: 'master', keepData: true, config: { REPLICATIONS_DELAY_INIT: 0 }, options });

    beforeAll(async () => {
      lab = await Lab.create(HOSTS);
      source = lab.path('source');
      for (let i = 0; i < FILES; i++) {
        const folder = join(source, `d${i % 40}`, `e${i % 5}`);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, `file-${i}`), `${i}\n`.repeat(1 + ((i * 37) % 900)));
      }
      execFileSync('dd', ['if=/dev/urandom', `of=${lab.path('large')}`, 'bs=1M', `count=${LARGE_MIB}`, 'status=none']);
      master = await lab.master('m1', { name: 'master', config: { REPLICATIONS_DELAY_INIT: 0 } });
      for (const host of ['a', 'b']) await lab.chunkserver(host, lab.address('m1'), { implementation: chunkservers });
      ({ dir } = await lab.mount('cl', lab.address('m1'), { implementation: 'c' }));
    }, 60_000);

    afterAll(() => lab?.destroy());

    it('takes a tree of 2000 files and gives it back', async () => {
      await shell(`mkdir ${dir}/tree && cp -r ${source} ${dir}/tree/`);
      await client('diff', '-r', source, `${dir}/tree/source`);
    }, 120_000);

    it('takes a file of 200 MiB and gives it back', async () => {
      await shell(`cp ${lab.path('large')} ${dir}/large && cmp ${lab.path('large')} ${dir}/large`);
    }, 120_000);

    it('renames, cuts, links and removes', async () => {
      await shell(`cd ${dir}
        mv tree/source/d1 tree/moved && test ! -e tree/source/d1 && diff -r ${source}/d1 tree/moved
        truncate -s 100M large && cmp -n 104857600 large ${lab.path('large')}
        ln large hard && test "$(stat -c %h large)" = 2 && rm hard
        ln -s large soft && test "$(readlink soft)" = large
        mkfifo fifo && chmod 640 fifo && test "$(stat -c %a fifo)" = 640
        rm -r tree/source/d2 && test ! -e tree/source/d2`);
    });

    it('answers the C tools', async () => {
      await shell(`cd ${dir}
        mfssetgoal -r 1 tree/source/d4 && mfsgetgoal tree/source/d4 | grep ': 1$'
        mfssettrashtime 3600 tree/source/d4 && mfsgettrashtime tree/source/d4 | grep ': 3600$'
        mfsfileinfo large | grep -c 'chunk ' | grep '^2$'
        mfscheckfile large | grep 'chunks with 2 copies'
        mfsdirinfo tree/source/d4 | grep 'files:'
        mfsmakesnapshot large snapshot && cmp large snapshot
        echo changed | dd of=snapshot conv=notrunc bs=1 status=none && ! cmp -s large snapshot
        mfsappendchunks appended large && cmp large appended
        mfsseteattr -f noattrcache large && mfsgeteattr large | grep noattrcache && mfsdeleattr -f noattrcache large
        mfssetquota -L 1G tree && mfsgetquota tree | grep length && mfsdelquota -a tree
        mfsfilepaths large | grep '^large$'
        mfsscadmin . create -K '*,*' wapiti && mfslistsclass . | grep wapiti && mfssetsclass wapiti tree/source/d5
        mfsgetsclass tree/source/d5 | grep wapiti && mfssetarchive tree/source/d5 && mfschkarchive tree/source/d5
        mfsrmsnapshot -f snapshot`);
    });

    it('keeps extended attributes, ACLs and locks', async () => {
      await shell(`cd ${dir}
        python3 - <<'END'
import os, struct
os.setxattr('large', 'user.colour', b'red')
assert os.getxattr('large', 'user.colour') == b'red' and os.listxattr('large') == ['user.colour']
os.removexattr('large', 'user.colour')
assert os.listxattr('large') == []
none = 0xffffffff
entries = [(1, 6, none), (2, 6, 1234), (4, 4, none), (16, 6, none), (32, 4, none)]
acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *one) for one in entries)
os.setxattr('large', 'system.posix_acl_access', acl)
assert os.getxattr('large', 'system.posix_acl_access') == acl
assert os.stat('large').st_mode & 0o777 == 0o664
os.removexattr('large', 'system.posix_acl_access')
END
        flock large -c 'flock -n large true && exit 1 || exit 0'`);
    });

    it('brings a deleted file back through a meta mount, and mounts folders', async () => {
      await shell(`cd ${dir} && mfssettrashtime 86400 tree/source/d6/e1/file-6 && rm tree/source/d6/e1/file-6`);
      const meta = await lab.mount('cl', lab.address('m1'), { implementation: 'c', options: ['-m'] });
      await shell(`cd ${meta.dir}/trash
        name=$(find . -name '*file-6' | head -n 1) && test -n "$name" && mv "$name" "$(dirname "$name")/undel/"`);
      await shell(`cmp ${dir}/tree/source/d6/e1/file-6 ${source}/d6/e1/file-6`);
      await lab.unmount(meta.dir);
      const folder = await lab.mount('cl', lab.address('m1'), { implementation: 'c', options: ['-S', '/tree/source'] });
      await shell(`diff -r ${source}/d7 ${folder.dir}/d7 && touch ${folder.dir}/new`);
      await shell(`test -e ${dir}/tree/source/new && rm ${folder.dir}/new`);
      await lab.unmount(folder.dir);
    });

    it('shows the space', async () => {
      const [total, used, free] = (await client('df', '-B1', '--output=size,used,avail', dir))
        .split('\n')[1]!
        .trim()
        .split(/\s+/)
        .map(Number) as [number, number, number];
      expect(total).toBeGreaterThan(1e9);
      expect(used + free).toBeLessThanOrEqual(total);
    });

    it('goes on after kill -9, with everything that was acknowledged', async () => {
      const writer = shell(`for i in $(seq 1 300); do echo $i > ${dir}/w$i; sync ${dir}/w$i; done; cat ${dir}/w*`);
      await shell(`while [ ! -e ${dir}/w20 ]; do sleep 0.05; done`);
      await master.process.kill();
      master = await startMaster(['-a']);
      const lines = (await writer).split('\n').filter((line) => line !== '');
      expect(lines.map(Number).sort((x, y) => x - y)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
      await client('diff', '-r', `${source}/d3`, `${dir}/tree/source/d3`);
    }, 120_000);

    it('leaves an image in order that the C tools and the C master take', async () => {
      const listed = await shell(`cd ${dir} && find . | sort | md5sum`);
      await master.process.stop();
      const folder = master.dataDir;
      expect(readdirSync(folder)).toContain('metadata.mfs');
      expect(readdirSync(folder)).not.toContain('metadata.mfs.back');
      await client('mfsmetadump', join(folder, 'metadata.mfs'));
      expect(await client('mfsmetadirinfo', join(folder, 'metadata.mfs'), '/')).toMatch(/inodes/);
      master = await lab.master('m1', { name: 'master', keepData: true, implementation: 'c', options: ['-a'] });
      expect(await shell(`cd ${dir} && find . | sort | md5sum`)).toBe(listed);
      await shell(`echo more > ${dir}/more && sync ${dir}/more`);
      await master.process.stop();
      master = await startMaster([]);
      expect(await client('cat', `${dir}/more`)).toBe('more\n');
      expect(readFileSync(join(folder, 'metadata.mfs.back')).subarray(-16).toString('latin1')).toBe('[MFS EOF MARKER]');
    }, 120_000);
  },
);
