import { runMfsha } from '../src/mfsha.js';

describe('the command line of mfsha', () => {
  async function run(...argv: string[]): Promise<{ code: unknown; out: string; err: string }> {
    let [out, err] = ['', ''];
    jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
    const before = process.exitCode;
    try {
      await runMfsha(argv);
      return { code: process.exitCode, out, err };
    } finally {
      process.exitCode = before;
      jest.restoreAllMocks();
    }
  }

  it('-h tells the questions too', async () => {
    const { out } = await run('-h');
    expect(out).toMatch(/^usage: mfsha .*\[start\|stop/);
    expect(out).toMatch(/status \[--json\]/);
    expect(out).toMatch(/switchover/);
  });

  it.each([
    [['status', 'now'], /mfsha status: one word is enough/],
    [['switchover', '--bogus'], /mfsha switchover: Unknown option '--bogus'/],
    [['-c', '/nowhere/mfsha.yaml', 'status'], /mfsha status: \/nowhere\/mfsha\.yaml: cannot be read/],
  ])('%j is refused', async (argv, problem) => {
    expect(await run(...argv)).toMatchObject({ code: 1, out: '', err: expect.stringMatching(problem) as string });
  });
});
