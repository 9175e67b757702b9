import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = join(__dirname, 'fixtures', 'launched.cjs');

describe('launchDaemon', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'wapiti-launch-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Parents of the processes that loaded the role, and what was said. */
  async function launch(args: readonly string[]): Promise<{ pid: number; loaded: string[]; said: string }> {
    const file = join(folder, 'loaded');
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LOADED_BY: file },
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(0);
    return { pid: child.pid ?? 0, loaded: readFileSync(file, 'utf8').trim().split('\n'), said };
  }

  it.each([['start'], ['restart'], ['-x', 'try-restart'], []])(
    'loads the role only in the process in the background: %s %s',
    async (...args: string[]) => {
      const { pid, loaded, said } = await launch(args);
      expect(loaded).toEqual([`${pid} ${args.join(' ')}`.trim()]);
      expect(said).toBe('it runs\n');
    },
  );

  it.each([['-f', 'start'], ['stop'], ['-v'], ['-q'], ['status']])(
    'does everything else at once: %s %s',
    async (...args: string[]) => {
      const { loaded } = await launch(args);
      expect(loaded).toEqual([`${process.pid} ${args.join(' ')}`]);
    },
  );
});
