import { mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ROOT } from '../harness/lab.js';
import { background, run } from '../harness/processes.js';

/** The demo in small: what ./scripts/demo runs after its set-up, with all roles ours. */
async function demo(script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const program = background(script, process.execPath, [join(ROOT, 'tests/dist/demo', script)], {
    env: { ...process.env, WAPITI_DEMO_C: '', ...env },
  });
  const code = await program.waitExit(170_000);
  if (code !== 0) throw new Error(program.output);
  return program.output;
}

describe('the demo', () => {
  it('as root: the master is killed under a writer, twice, and everything holds', async () => {
    const output = await demo('main.js', {
      WAPITI_DEMO_FILES: '150',
      WAPITI_DEMO_BIG_MIB: '8',
      WAPITI_DEMO_SET: 'two-hosts-fast',
    });
    expect(output).toMatch(/records acknowledged by fsync in 3 files: all there, in order, undamaged/);
    expect(output.match(/virtual address set, gratuitous ARP sent/g)).toHaveLength(2);
    expect(output).toMatch(/everything held/);
  }, 180_000);

  it('without root: a cluster in one process is killed and has everything again', async () => {
    const output = await demo('embedded.js', { WAPITI_DEMO_FILES: '100' });
    expect(output.match(/100 files read back: all checksums equal/g)).toHaveLength(2);
    expect(output).toMatch(/what root would add/);
  }, 120_000);

  it('interrupted, it leaves nothing behind', async () => {
    const own = await mkdtemp(join(tmpdir(), 'demo-interrupted-'));
    const program = background('embedded.js', process.execPath, [join(ROOT, 'tests/dist/demo/embedded.js')], {
      env: { ...process.env, TMPDIR: own, WAPITI_DEMO_FILES: '2000' },
    });
    await program.waitFor(/real data through the client library/);
    program.signal('SIGINT');
    expect([await program.waitExit(), await readdir(own)]).toEqual([1, []]);
    expect(program.output).toMatch(/interrupted: all is removed/);
    await rmdir(own);
  });

  it('--help tells what can be set; other arguments are refused', async () => {
    const script = join(ROOT, 'scripts/demo');
    expect((await run(script, ['--help'])).stdout).toMatch(/WAPITI_DEMO_SET=two-hosts-fast/);
    expect((await run(script, ['fast'], { check: false })).code).toBe(2);
  });

  it.each([
    ['WAPITI_DEMO_FILES', 'many', /'many' is not a number above 0/],
    ['WAPITI_DEMO_SET', 'three-hosts', /'three-hosts' is neither/],
    ['WAPITI_DEMO_C', 'mfsfoo', /'mfsfoo' is none of/],
  ])('%s=%s is refused', async (name, value, message) => {
    await expect(demo('main.js', { [name]: value })).rejects.toThrow(message);
  });
});
