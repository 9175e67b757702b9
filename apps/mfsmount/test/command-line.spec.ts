import { createHash } from 'node:crypto';

import { parseMountCommand, type MountSettings, UsageError } from '../src/index.js';

type Files = Readonly<Record<string, string>>;

function parse(line: string, files: Files = {}, programName = 'mfsmount'): ReturnType<typeof parseMountCommand> {
  return parseMountCommand(line.split(' ').filter(Boolean), { programName, readFile: (path) => files[path] });
}

function settings(line: string, files?: Files, programName?: string): MountSettings {
  const parsed = parse(line, files, programName);
  if (parsed.kind !== 'mount') throw new Error(parsed.kind);
  return parsed.settings;
}

function refusal(line: string, files?: Files): string {
  try {
    parse(line, files);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('accepted');
}

describe('the command line of mfsmount', () => {
  it('has the defaults of the reference', () => {
    expect(settings('/mnt')).toMatchObject({
      mountPoint: '/mnt',
      masterHost: 'mfsmaster',
      masterPort: 9421,
      subfolder: '/',
      foreground: false,
      cacheMode: 'auto',
      attributesCacheMs: 1000,
      entryCacheMs: 0,
      directoryEntryCacheMs: 1000,
      negativeEntryCacheMs: 0,
      xattrCacheMs: 30_000,
      symlinkCacheMs: 300_000,
      writeCacheBytes: 256 << 20,
      readAheadTriggerBytes: 10 << 20,
      allowOther: true,
      readOnly: false,
      source: 'mfs#mfsmaster:9421',
      kernelOptions: ['nosuid', 'nodev'],
      notices: [],
    });
  });

  it.each([
    ['-H 10.0.0.1 -P 19421 -S /a/b /mnt'],
    ['-H10.0.0.1 -P19421 -S/a/b /mnt'],
    ['/mnt -o mfsmaster=10.0.0.1,mfsport=19421,mfssubfolder=/a/b'],
    ['10.0.0.1:19421:/a/b /mnt'],
  ])('takes the master from %s', (line) => {
    expect(settings(line)).toMatchObject({
      mountPoint: '/mnt',
      masterHost: '10.0.0.1',
      masterPort: 19421,
      subfolder: '/a/b',
      source: 'mfs#10.0.0.1:19421',
    });
  });

  it('takes HOST: and HOST:PORT: without path', () => {
    expect(settings('m: /mnt')).toMatchObject({ masterHost: 'm', masterPort: 9421, subfolder: '/' });
    expect(settings('m:5: /mnt')).toMatchObject({ masterPort: 5, subfolder: '/' });
  });

  it('shows a subfolder without a leading slash in the source', () => {
    expect(settings('-S a/b /mnt')).toMatchObject({ subfolder: '/a/b', source: 'mfs#mfsmaster:9421/a/b' });
  });

  it('knows the options of mount(8), the last one wins', () => {
    const given = settings('/mnt -o ro,noatime,suid,mfsdev,noexec -o rw,_netdev,defaults,nofail,x-systemd.automount');
    expect(given.readOnly).toBe(false);
    expect([...given.kernelOptions].sort()).toEqual(['dev', 'noatime', 'noexec', 'suid']);
    expect(settings('/mnt -o ro').readOnly).toBe(true);
  });

  it('knows caches, limits and modes', () => {
    expect(
      settings(
        '/mnt -o mfscachemode=never,mfsattrcacheto=2.5,mfsentrycacheto=.5,mfswritecachesize=64,mfssugidclearmode=bsd,mfsnoxattr,mfsnoposixlocks,mfsnobsdlock',
      ),
    ).toMatchObject({
      cacheMode: 'no',
      attributesCacheMs: 2500,
      entryCacheMs: 500,
      writeCacheBytes: 64 << 20,
      sugidClearMode: 3,
      xattrs: false,
      posixLocks: false,
      bsdLocks: false,
    });
    expect(settings('/mnt -o mfswritecachesize=0').writeCacheBytes).toBe(256 << 20);
    expect(settings('/mnt -n').allowOther).toBe(false);
    expect(settings('/mnt -n -o allow_other').allowOther).toBe(true);
    expect(settings('/mnt -d')).toMatchObject({ debug: true, foreground: true });
  });

  it('corrects values out of range and says so', () => {
    const { notices, attributesCacheMs, writeCacheBytes } = settings(
      '/mnt -o mfsattrcacheto=999999,mfswritecachesize=5',
    );
    expect([attributesCacheMs, writeCacheBytes]).toEqual([86_400_000, 16 << 20]);
    expect(notices).toEqual([
      'attribute cache timeout too big (999999) - decreased to 86400',
      'write cache size too low (5 MiB) - increased to 16 MiB',
    ]);
  });

  it.each([
    ['', 'no mount point'],
    ['-H', "fuse: missing argument after `-H'"],
    ['/mnt -o', "fuse: missing argument after `-o'"],
    ['/mnt -z', "fuse: unknown option(s): `-z'"],
    ['/mnt -o foobar,mfsnew=3', "fuse: unknown option(s): `-o foobar' `-o mfsnew=3'"],
    ['/mnt -o mfsattrcacheto=abc', "fuse: invalid parameter in option `mfsattrcacheto=abc'"],
    ['/mnt -o mfsioretries', "fuse: invalid parameter in option `mfsioretries'"],
    ['/mnt -o mfscachemode=some', "unrecognized cachemode option 'some'"],
    ['/mnt -o mfsmd5pass=xyz', 'bad md5 definition (md5 should be given as 32 hex digits)'],
    ['/mnt -P abc', "can't resolve master hostname and/or portname (mfsmaster:abc)"],
    ['/mnt -P 70000', "can't resolve master hostname and/or portname (mfsmaster:70000)"],
    ['/mnt /other', "fuse: invalid argument `/other'"],
    ['/mnt -c /none', "cfg file (/none) doesn't exist"],
    ['/mnt -o mfspassfile=/none', "password file (/none) can't be read"],
  ])('refuses %p', (line, message) => {
    expect(refusal(line)).toBe(message);
  });

  it('reads mfsmount.cfg: it overrides the command line and gives the default mount point', () => {
    const file = [
      '# comment',
      '; another',
      '',
      '/mnt/default',
      '/mnt/second',
      '-Hfrom-file',
      ' mfsattrcacheto=3 ',
      'ro',
    ];
    const files = { '/etc/mfs/mfsmount.cfg': file.join('\n') };
    expect(settings('-H from-line -o mfsattrcacheto=9', files)).toMatchObject({
      mountPoint: '/mnt/default',
      masterHost: 'from-file',
      attributesCacheMs: 3000,
      readOnly: true,
    });
    expect(settings('/mnt/given', files).mountPoint).toBe('/mnt/given');
    expect(settings('/mnt', { '/etc/mfsmount.cfg': 'mfsmaster=second-place' }).masterHost).toBe('second-place');
    expect(settings('/mnt -c /my.cfg', { ...files, '/my.cfg': 'mfsport=7' })).toMatchObject({
      masterHost: 'mfsmaster',
      masterPort: 7,
    });
  });

  it('knows a password in all its forms', () => {
    const digest = createHash('md5').update('secret').digest();
    expect(settings('/mnt -o mfspassword=secret').passwordDigest).toEqual(digest);
    expect(settings(`/mnt -o mfsmd5pass=${digest.toString('hex')}`).passwordDigest).toEqual(digest);
    expect(settings('/mnt -o mfspassfile=/p', { '/p': 'secret\r\nmore\n' }).passwordDigest).toEqual(digest);
    expect(settings('/mnt -p').askPassword).toBe(true);
    expect(settings('/mnt -o mfspassword=a\\,b').passwordDigest).toEqual(createHash('md5').update('a,b').digest());
    expect(refusal('/mnt -o mfspassfile=/p,mfspassword=x', { '/p': 'secret' })).toContain("can't be used together");
  });

  it('is a helper of mount(8)', () => {
    const line = '10.0.0.1:/data /mnt -s -n -v -t moosefs -o rw,_netdev,mfsdelayedinit';
    expect(settings(line, {}, 'mount.moosefs')).toMatchObject({
      mountPoint: '/mnt',
      masterHost: '10.0.0.1',
      subfolder: '/data',
      delayedInit: true,
      foreground: false,
      allowOther: true,
    });
    expect(parse('m: /mnt -f', {}, 'mount.moosefs')).toMatchObject({ kind: 'mount', fake: true });
  });

  it('asks for help and version before anything is wrong', () => {
    expect(parse('-h -o foobar').kind).toBe('help');
    expect(parse('--version').kind).toBe('version');
  });
});
