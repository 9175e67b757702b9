import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createLogger, FakeClock, type LoggerOptions, memoryLogger, type RootLogger } from '../src/index.js';

function collect(options: Partial<LoggerOptions> = {}): { log: RootLogger; lines: string[]; clock: FakeClock } {
  const lines: string[] = [];
  const clock = new FakeClock(new Date(2026, 10, 4, 3, 2, 1).getTime());
  const log = createLogger({ ident: 'mfstest', clock, target: (line) => void lines.push(line), ...options });
  return { log, lines, clock };
}

describe('createLogger', () => {
  it('writes lines as syslog does, with fields', () => {
    const { log, lines } = collect();
    log.warn('something odd', { count: 3, id: 12n, path: '/a b', none: undefined, error: new Error('bad "x"') });
    log.child('placement').child('leases').notice('granted');
    expect(lines[0]).toMatch(
      new RegExp(
        `^Nov  4 03:02:01 [^ ]+ mfstest\\[${process.pid}\\]: warn: something odd count=3 id=12 path="/a b" error="bad \\\\"x\\\\""$`,
      ),
    );
    expect(lines[1]).toMatch(/\]: notice: placement\.leases: granted$/);
  });

  it('never lets a text look like several lines', () => {
    const { log, lines } = collect();
    log.error('name: a\nFeb  1 00:00:00 forged\x1b[2J', { name: 'x\ny' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('a\\x0aFeb  1 00:00:00 forged\\x1b[2J name="x\\ny"');
  });

  it('writes JSON', () => {
    const { log, lines, clock } = collect({ format: 'json' });
    log.child('m').error('failed', { chunk: 5, big: 2n ** 60n, error: new Error('why'), level: 'fake' });
    const entry = JSON.parse(lines[0] as string) as Record<string, unknown>;
    expect(entry).toMatchObject({
      time: new Date(clock.nowMs()).toISOString(),
      ident: 'mfstest',
      level: 'error',
      module: 'm',
      message: 'failed',
      chunk: 5,
      big: '1152921504606846976',
      error: expect.stringContaining('why') as string,
    });
  });

  it('has a level, and levels of modules, which can be changed', () => {
    const { log, lines } = collect({ level: 'warn', levels: { a: 'debug', 'a.b': 'error' } });
    const modules = [log, log.child('a'), log.child('a').child('x'), log.child('a').child('b'), log.child('ab')];
    const logAll = (): string[] => {
      lines.length = 0;
      for (const one of modules) for (const level of ['error', 'warn', 'debug'] as const) one[level](`${level}!`);
      return lines.map((line) => line.replace(/^.*?\]: /, ''));
    };
    expect(logAll()).toEqual([
      'error: error!',
      'warn: warn!',
      'error: a: error!',
      'warn: a: warn!',
      'debug: a: debug!',
      'error: a.x: error!',
      'warn: a.x: warn!',
      'debug: a.x: debug!',
      'error: a.b: error!',
      'error: ab: error!',
      'warn: ab: warn!',
    ]);
    log.setLevels('error');
    expect(logAll()).toHaveLength(5);
  });

  it('limits repeated lines and tells how many there were', () => {
    const { log, lines, clock } = collect({ rateLimit: { lines: 3, periodMs: 1000 } });
    for (let i = 0; i < 100; i++) log.error('disk is on fire', { i });
    log.error('something else');
    expect(lines.map((line) => line.replace(/^.*error: /, ''))).toEqual([
      'disk is on fire i=0',
      'disk is on fire i=1',
      'disk is on fire i=2',
      'something else',
    ]);
    clock.advance(1000);
    log.error('disk is on fire', { i: 100 });
    expect(lines.at(-2)).toContain('disk is on fire (repeated 97 more times)');
    expect(lines.at(-1)).toContain('i=100');
    for (let i = 0; i < 9; i++) log.error('disk is on fire');
    clock.advance(1000);
    log.info('all quiet');
    expect(lines.at(-2)).toContain('disk is on fire (repeated 7 more times)');
    for (let i = 0; i < 6; i++) log.error('disk is on fire');
    log.close();
    expect(lines.at(-1)).toContain('(repeated 3 more times)');
  });

  it('keeps its memory bounded whatever is logged', () => {
    const { log, lines } = collect();
    for (let i = 0; i < 5000; i++) log.info(`line ${i}`);
    expect(lines).toHaveLength(5000);
  });

  it('appends to a file, within the call, and follows a rotation', () => {
    const dir = mkdtempSync(join(tmpdir(), 'runtime-log-'));
    const file = join(dir, 'x.log');
    const log = createLogger({ ident: 'mfstest', target: { file } });
    log.info('first');
    expect(readFileSync(file, 'utf8')).toMatch(/info: first\n$/);
    renameSync(file, `${file}.1`);
    log.info('second');
    log.reopen();
    log.info('third');
    log.close();
    log.info('after the end');
    expect(readFileSync(`${file}.1`, 'utf8').split('\n')).toHaveLength(3);
    expect(readFileSync(file, 'utf8')).toMatch(/^.*info: third\n$/);
    rmSync(dir, { recursive: true });
  });
});

describe('memoryLogger', () => {
  it('collects lines and lets a test wait for one', async () => {
    const log = memoryLogger();
    log.info('early', { a: 1 });
    const waiting = log.waitFor(/late/);
    log.child('m').error('too late', { error: new Error('x') });
    expect(await waiting).toBe('error: m: too late error=x');
    expect(await log.waitFor('early')).toBe('info: early a=1');
    expect(log.entries[1]).toMatchObject({ level: 'error', module: 'm', text: 'too late' });
    log.clear();
    expect(log.lines).toEqual([]);
  });
});
