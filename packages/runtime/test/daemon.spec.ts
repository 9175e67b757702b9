import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { LockFile } from '../src/daemon/lock-file.js';
import { parseArguments } from '../src/daemon/arguments.js';

const ROOT = resolve(__dirname, '../../..');
const DAEMON = join(__dirname, 'fixtures/sample-daemon.cjs');

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let dir: string;
const started: ChildProcess[] = [];

beforeAll(() => {
  // The daemon runs from the compiled package: it starts itself again.
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', 'packages/runtime'], {
    cwd: ROOT,
  });
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'runtime-daemon-'));
  mkdirSync(data());
  configure();
});
afterEach(() => {
  for (const one of started.splice(0)) one.kill('SIGKILL');
  run('kill');
  rmSync(dir, { recursive: true });
});

const data = (): string => join(dir, 'data');
const cfgFile = (): string => join(dir, 'sample.cfg');
const logText = (): string => readFileSync(join(data(), 'mfssample.log'), 'utf8');

function configure(extra = ''): void {
  writeFileSync(cfgFile(), `DATA_PATH = ${data()}\nWORKING_USER = root\nNICE_LEVEL = 0\n${extra}`);
}

function run(...args: string[]): Result {
  return runIn(cfgFile(), ...args);
}

function runIn(config: string, ...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DAEMON, '-c', config, ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

function ownerPid(): number | undefined {
  return new LockFile(data(), 'mfssample').owner();
}

/** Starts in the foreground; resolves when stderr shows a text. */
function foreground(
  text: string,
  ...args: string[]
): Promise<{ child: ChildProcess; ended: Promise<number | null>; err: () => string }> {
  const child = spawn(process.execPath, [DAEMON, '-c', cfgFile(), '-f', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  started.push(child);
  let err = '';
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return new Promise((found, failed) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      if (err.includes(text)) found({ child, ended, err: () => err });
    });
    child.once('close', () => failed(new Error(`ended without '${text}':\n${err}`)));
  });
}

/** Waits until a file shows a text. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 10));
}

describe('parseArguments', () => {
  const parse = (...argv: string[]): unknown => parseArguments('mfsx', [{ flag: 'x', doc: '' }], argv);
  it('reads options as getopt does', () => {
    expect(parse('-fxx', '-t5', '-c', 'file', 'STOP', '-u')).toMatchObject({
      kind: 'run',
      arguments: {
        action: 'stop',
        foreground: true,
        listDefaults: true,
        keepCoreLimit: false,
        lockTimeoutS: 5,
        configPath: 'file',
        options: { x: 2 },
      },
    });
    expect(parse()).toMatchObject({ arguments: { action: 'start', foreground: false, lockTimeoutS: 1800 } });
    expect(parse('-d')).toMatchObject({
      arguments: { foreground: true, notices: [expect.stringContaining('deprecated')] },
    });
    expect(parse('-v')).toEqual({ kind: 'version' });
  });
  it.each([
    [['-h'], undefined],
    [['-?'], undefined],
    [['start', 'stop'], undefined],
    [['fly'], undefined],
    [['-q'], "mfsx: invalid option -- 'q'"],
    [['-c'], "mfsx: option requires an argument -- 'c'"],
    [['-t', 'soon'], 'mfsx: -t soon: not a number of seconds'],
  ])('%j shows the usage', (argv, problem) => {
    expect(parse(...argv)).toEqual({ kind: 'usage', problem });
  });
});

describe('life cycle of a daemon', () => {
  it('start, test, info, reload, restart, stop: texts and exit codes of the C daemons', async () => {
    expect(run('test')).toMatchObject({ code: 1, err: 'mfssample is not running\n' });
    expect(run('stop')).toMatchObject({ code: 0, err: "can't find process to terminate\n" });
    expect(run('kill')).toMatchObject({ code: 0, err: "can't find process to terminate\n" });
    expect(run('reload')).toMatchObject({ code: 1, err: "can't find process to send reload signal\n" });
    expect(run('info')).toMatchObject({ code: 1, err: "can't find process to send info signal\n" });
    expect(run('try-restart')).toMatchObject({
      code: 1,
      err: expect.stringContaining("can't find process to restart\n") as string,
    });

    const start = run('start');
    expect(start.code).toBe(0);
    expect(start.err).toMatch(
      new RegExp(
        `^open files limit has been set to: \\d+\nworking directory: ${data()}\nlockfile created and locked\n` +
          'initializing mfssample modules ...\nsample module: listen on 127.0.0.1:\\d+\nmfssample daemon initialized properly\n$',
      ),
    );
    const pid = ownerPid();
    expect(pid).toBeGreaterThan(0);
    expect(readFileSync(join(data(), '.mfssample.lock'), 'utf8')).toBe(`${pid}\n`);
    expect(run('status')).toMatchObject({ code: 0, out: '', err: `mfssample pid: ${pid}\n` });

    const second = run('start');
    expect(second).toMatchObject({ code: 1 });
    expect(second.err).toContain("can't start: lockfile is already locked by another process\n");
    expect(ownerPid()).toBe(pid);

    configure('SAMPLE_TEXT = after reload\nSAMPLE_HOST = 127.0.0.2\n');
    expect(run('reload')).toMatchObject({ code: 0, err: 'reload signal has been sent\n' });
    await until(() => logText().includes('configuration has been reloaded'));
    expect(logText()).toContain('SAMPLE_HOST: the change takes effect with the next start');
    expect(run('info')).toMatchObject({ code: 0, err: 'info signal has been sent\n' });
    await until(() => logText().includes('text: after reload'));

    const restart = run('-xx', 'RESTART');
    expect(restart.code).toBe(0);
    expect(restart.err).toContain(`sending SIGTERM to lock owner (pid:${pid})\nwaiting for termination terminated\n`);
    expect(restart.err).toContain('listen on 127.0.0.2');
    expect(ownerPid()).not.toBe(pid);
    run('info');
    await until(() => logText().includes('extra: 2'));
    const last = ownerPid();
    expect(run('stop')).toMatchObject({
      code: 0,
      err: `sending SIGTERM to lock owner (pid:${last})\nwaiting for termination terminated\n`,
    });
    expect(ownerPid()).toBeUndefined();
    expect(logText().trimEnd()).toMatch(/process exited successfully \(status:0\)$/);
  });

  it('try-restart restarts what runs; kill ends it at once', () => {
    run('start');
    const first = ownerPid();
    expect(run('try-restart').code).toBe(0);
    const second = ownerPid();
    expect(second).toBeGreaterThan(0);
    expect(second).not.toBe(first);
    expect(run('kill')).toMatchObject({
      code: 0,
      err: expect.stringContaining(`SIGKILL to lock owner (pid:${second})`) as string,
    });
    expect(ownerPid()).toBeUndefined();
    expect(run('start').code).toBe(0); // a killed one leaves nothing that hinders
  });

  it('start returns only when the role listens', async () => {
    const port = await freePort();
    configure(`SAMPLE_PORT = ${port}\n`);
    expect(run('start').code).toBe(0);
    const connected = spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`]);
    expect(connected.status).toBe(0);
  });

  it('a role that cannot start: its reason, exit code 1, no process left', async () => {
    configure('SAMPLE_FAIL = start\n');
    for (const args of [['start'], ['-f', 'start']]) {
      const result = run(...args);
      expect(result.code).toBe(1);
      expect(result.err).toContain(
        'sample data are not there\nerror occurred during initialization - exiting\nexiting ...\n',
      );
      expect(ownerPid()).toBeUndefined();
    }
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    configure(`SAMPLE_PORT = ${(taken.address() as { port: number }).port}\n`);
    expect(run('start')).toMatchObject({ code: 1, err: expect.stringContaining('EADDRINUSE') as string });
    taken.close();
    configure('SAMPLE_FAIL = throw\n');
    expect(run('start')).toMatchObject({ code: 1, err: expect.stringContaining('TypeError') as string });
    expect(ownerPid()).toBeUndefined();
  });

  it('a role that ends by itself: exit code 1 and the reason in the log', async () => {
    configure('SAMPLE_FAIL = run\n');
    expect(run('start').code).toBe(0);
    await until(() => ownerPid() === undefined);
    expect(logText()).toContain('mfssample ends: sample lost its ground');
    configure('SAMPLE_FAIL = stop\n');
    const { child, ended, err } = await foreground('initialized properly');
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
    expect(err()).toContain('stopping failed: sample cannot save');
  });

  it('in the foreground stops at SIGTERM and SIGINT; ignores what daemons ignore', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { child, ended, err } = await foreground('initialized properly');
      for (const ignored of ['SIGPIPE', 'SIGUSR2', 'SIGQUIT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const)
        child.kill(ignored);
      for (const told of ['SIGALRM', 'SIGVTALRM', 'SIGPROF'] as const) {
        child.kill(told);
        await until(() => err().includes(`${told} received`));
      }
      child.kill('SIGUSR1');
      await until(() => err().includes('extra: 0'));
      expect(err()).not.toContain('Debugger');
      child.kill(signal);
      child.kill(signal);
      expect(await ended).toBe(0);
      expect(err()).toContain('sample data saved');
    }
  });

  it('a broken file at a reload: all errors logged, the old configuration stays', async () => {
    configure('SAMPLE_TEXT = good\n');
    const { child, ended, err } = await foreground('initialized properly');
    configure('SAMPLE_TEXT = bad\nSAMPLE_PORT = x y\nSAMPLE_FAIL = sometimes\n');
    child.kill('SIGHUP');
    await until(() => err().includes('reload failed'));
    expect(err()).toContain(`${cfgFile()}:5: SAMPLE_PORT: 'x y' is neither`);
    expect(err()).toContain(`${cfgFile()}:6: SAMPLE_FAIL: 'sometimes' is not one of`);
    rmSync(cfgFile());
    child.kill('SIGHUP');
    await until(() => err().includes('cannot be read: ENOENT'));
    child.kill('SIGUSR1');
    await until(() => err().includes('text: good'));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('does not start with a broken or missing configuration, DATA_PATH or user', () => {
    configure('SAMPLE_PORT = x\nFILE_UMASK = y\n');
    const broken = run('start');
    expect(broken.code).toBe(1);
    expect(broken.err).toContain(`${cfgFile()}:4: SAMPLE_PORT: `);
    expect(broken.err).toContain(`${cfgFile()}:5: FILE_UMASK: `);
    configure();
    expect(runIn(join(dir, 'none.cfg'), 'start')).toMatchObject({
      code: 1,
      err: `main config file (${join(dir, 'none.cfg')}) not found\n`,
    });
    configure(`DATA_PATH = ${join(dir, 'nowhere')}\n`);
    expect(run('start')).toMatchObject({
      code: 1,
      err: expect.stringContaining(`can't set working directory to ${join(dir, 'nowhere')}: ENOENT`) as string,
    });
    configure('WORKING_USER = nobody-of-that-name\n');
    expect(run('start')).toMatchObject({
      code: 1,
      err: expect.stringContaining("WORKING_USER: can't find user 'nobody-of-that-name'") as string,
    });
    configure();
  });

  it('runs as WORKING_USER with FILE_UMASK and NICE_LEVEL', () => {
    chmodSync(dir, 0o755);
    chownSync(data(), 65534, 65534);
    configure('WORKING_USER = nobody\nWORKING_GROUP = #65534\nFILE_UMASK = 077\nNICE_LEVEL = 7\n');
    expect(run('start').code).toBe(0);
    const status = readFileSync(`/proc/${ownerPid()}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Gid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Umask:\t0077$/m);
    expect(statSync(join(data(), '.mfssample.lock')).mode & 0o777).toBe(0o600);
    const stat = readFileSync(`/proc/${ownerPid()}/stat`, 'utf8');
    expect(stat.slice(stat.lastIndexOf(')')).split(' ')[17]).toBe('7');
    const limits = readFileSync(`/proc/${ownerPid()}/limits`, 'utf8');
    expect(limits).toMatch(/^Max open files +16384 /m);
  });

  it('-u lists defaults, test the effective configuration, unknown keys are warned of', async () => {
    configure('SAMPLE_TXT = x\nSAMPLE_TEXT = y\n');
    const { child, ended, err } = await foreground('initialized properly', '-u');
    expect(err()).toContain("config: using default value for option 'SAMPLE_HOST' - '127.0.0.1'");
    expect(err()).not.toContain("option 'SAMPLE_TEXT'");
    expect(err()).toContain(`${cfgFile()}:4: SAMPLE_TXT: unknown key (did you mean SAMPLE_TEXT?), ignored`);
    child.kill('SIGTERM');
    await ended;
    const { out } = run('test');
    expect(out).toContain('\nSAMPLE_TEXT = y\n');
    expect(out).toContain('\n# SAMPLE_HOST = 127.0.0.1\n');
    expect(out).toContain(`# warning: ${cfgFile()}:4: SAMPLE_TXT`);
  });

  it('takes YAML too', () => {
    const yaml = join(dir, 'sample.yaml');
    writeFileSync(yaml, `dataPath: ${data()}\nworkingUser: root\nsample:\n  text: from yaml\n`);
    const { out } = runIn(yaml, 'test');
    expect(out).toContain('\nSAMPLE_TEXT = from yaml\n');
  });

  it('restore ends the running daemon, runs and ends', () => {
    configure('SAMPLE_TEXT = as new\n');
    run('start');
    const pid = ownerPid();
    const restore = run('restore');
    expect(restore.code).toBe(0);
    expect(restore.err).toContain(`sending SIGTERM to lock owner (pid:${pid})`);
    expect(readFileSync(join(data(), 'restored'), 'utf8')).toBe('as new');
    expect(ownerPid()).toBeUndefined();
    configure('SAMPLE_FAIL = run\n');
    expect(run('restore')).toMatchObject({
      code: 1,
      err: expect.stringContaining('sample cannot be restored') as string,
    });
  });

  it('a starter that goes away does not take the daemon with it; its stderr is not kept open', () => {
    const start = spawnSync('bash', ['-c', `'${process.execPath}' '${DAEMON}' -c '${cfgFile()}' start 2>&1 | cat`], {
      encoding: 'utf8',
    });
    // cat ends only when nobody holds the pipe any more.
    expect(start.stdout).toContain('initialized properly');
    const pid = ownerPid() as number;
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[5]).toBe(String(pid)); // a session of its own
  });

  it('gives up waiting after the lock timeout', async () => {
    const script = `import fcntl,signal,sys,time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
f=open(sys.argv[1],'w')
fcntl.lockf(f,fcntl.LOCK_EX)
print('locked',flush=True)
time.sleep(1000)`;
    const holder = spawn('python3', ['-c', script, join(data(), '.mfssample.lock')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(holder);
    await new Promise((done) => holder.stdout.once('data', done));
    const stop = run('-t', '1', 'stop');
    expect(stop).toMatchObject({
      code: 1,
      err: `sending SIGTERM to lock owner (pid:${holder.pid})\nwaiting for termination :giving up\n`,
    });
    expect(run('-t', '0', 'restart').code).toBe(1);
    const ended = new Promise((done) => holder.once('exit', done));
    expect(run('kill').code).toBe(0);
    await ended;
  });
});

describe('together with the C mfsmaster', () => {
  // Three for each process, below those that the kernel gives to connections.
  const port = 16_000 + (process.pid % 2000) * 3;
  const master = (action: string): Result => {
    const { status, stdout, stderr } = spawnSync('/usr/sbin/mfsmaster', ['-c', join(dir, 'mfsmaster.cfg'), action], {
      encoding: 'utf8',
    });
    return { code: status, out: stdout, err: stderr };
  };

  it('each sees the lock of the other, on the same DATA_PATH', () => {
    writeFileSync(join(data(), 'metadata.mfs'), 'MFSM NEW');
    writeFileSync(join(dir, 'exports'), '* / rw\n');
    writeFileSync(
      join(dir, 'mfsmaster.cfg'),
      [
        `DATA_PATH = ${data()}`,
        'WORKING_USER = root',
        'WORKING_GROUP = root',
        `EXPORTS_FILENAME = ${join(dir, 'exports')}`,
        'TOPOLOGY_FILENAME = /nonexistent',
        'MATOML_LISTEN_HOST = 127.0.0.1',
        'MATOCS_LISTEN_HOST = 127.0.0.1',
        'MATOCL_LISTEN_HOST = 127.0.0.1',
        `MATOML_LISTEN_PORT = ${port}`,
        `MATOCS_LISTEN_PORT = ${port + 1}`,
        `MATOCL_LISTEN_PORT = ${port + 2}`,
        '',
      ].join('\n'),
    );
    // Our daemon under the name of the C one, hence with its lock file.
    const ours = (action: string): Result => {
      const script = join(dir, 'ours.cjs');
      if (!existsSync(script))
        writeFileSync(
          script,
          readFileSync(DAEMON, 'utf8')
            .replace("'../../dist/index.js'", JSON.stringify(join(__dirname, '../dist/index.js')))
            .replace("'mfssample'", "'mfsmaster'"),
        );
      const { status, stdout, stderr } = spawnSync(process.execPath, [script, '-c', cfgFile(), action], {
        encoding: 'utf8',
      });
      return { code: status, out: stdout, err: stderr };
    };
    try {
      expect(master('start').code).toBe(0);
      const theirs = master('test').err;
      expect(theirs).toMatch(/^mfsmaster pid: \d+\n/);
      expect(ours('status')).toMatchObject({ code: 0, err: theirs });
      expect(ours('start')).toMatchObject({
        code: 1,
        err: expect.stringContaining("can't start: lockfile is already locked by another process") as string,
      });
      // A restart with our program replaces theirs, and the other way round.
      expect(ours('restart').code).toBe(0);
      expect(master('start')).toMatchObject({
        code: 1,
        err: expect.stringContaining("can't start: lockfile is already locked by another process") as string,
      });
      expect(master('test').err.replace('\0', '')).toBe(ours('status').err);
      expect(master('restart').code).toBe(0);
      expect(ours('stop')).toMatchObject({ code: 0, err: expect.stringContaining('terminated') as string });
      expect(master('test').code).toBe(1);
    } finally {
      ours('kill');
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
