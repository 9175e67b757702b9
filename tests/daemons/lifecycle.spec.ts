import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { binary, type Implementation, Lab } from '../harness/lab.js';

const ROLES = ['mfsmaster', 'mfschunkserver', 'mfsmetalogger'] as const;
type Role = (typeof ROLES)[number];

interface Step {
  readonly action: string;
  readonly code: number | null;
  readonly text: string[];
}

/** What a life cycle is about; lines of single modules differ between implementations. */
const COMMON =
  /lockfile|lock owner|initialized properly|signal|terminat|process|pid|not running|open files limit|working directory/;

const LIFE = [
  'stop',
  'reload',
  'try-restart',
  'start',
  'start',
  'info',
  'reload',
  'restart',
  'kill',
  'test',
  'start',
  'test',
  'STOP',
] as const;

describe('life cycle of the daemons, in the background, as the C ones have it', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.create({ a: '10.1.1.1', b: '10.1.1.2', nobody: '10.1.1.9' });
  });
  afterAll(() => lab?.destroy());

  function configure(role: Role, implementation: Implementation): { file: string; dataDir: string } {
    const dataDir = lab.path(`${role}-${implementation}`);
    mkdirSync(dataDir);
    const hdd = join(dataDir, 'hdd');
    mkdirSync(hdd);
    writeFileSync(join(dataDir, 'hdd.cfg'), `${hdd}\n`);
    writeFileSync(join(dataDir, 'exports.cfg'), '* / rw,alldirs,admin,maproot=0:0\n');
    if (role === 'mfsmaster') writeFileSync(join(dataDir, 'metadata.mfs'), 'MFSM NEW');
    const own = {
      mfsmaster: `EXPORTS_FILENAME = ${dataDir}/exports.cfg\n`,
      mfschunkserver: `HDD_CONF_FILENAME = ${dataDir}/hdd.cfg\nMASTER_HOST = 10.1.1.9\n`,
      mfsmetalogger: 'MASTER_HOST = 10.1.1.9\n',
    }[role];
    const file = `${dataDir}.cfg`;
    writeFileSync(file, `WORKING_USER = root\nWORKING_GROUP = root\nDATA_PATH = ${dataDir}\n${own}`);
    return { file, dataDir };
  }

  async function live(role: Role, implementation: Implementation): Promise<Step[]> {
    const { file, dataDir } = configure(role, implementation);
    const [command, ...first] = binary(role, implementation) as [string, ...string[]];
    const steps: Step[] = [];
    for (const action of LIFE) {
      // A master that was killed has no image: it is restored from its changelog.
      const restore = role === 'mfsmaster' && steps.some((step) => step.action === 'kill') ? ['-a'] : [];
      const host = implementation === 'c' ? 'a' : 'b';
      const { code, stdout, stderr } = await lab.on(host, command, [...first, ...restore, '-c', file, action], {
        check: false,
      });
      const text = `${implementation === 'c' ? stdout : ''}${stderr}`
        .replaceAll('\0', '')
        .replaceAll(dataDir, 'DATA')
        .replace(/pid: ?\d+/g, 'pid:N')
        .split('\n')
        .filter((line) => COMMON.test(line));
      steps.push({ action, code, text });
    }
    return steps;
  }

  it.each(ROLES)(
    '%s',
    async (role) => {
      const [c, ours] = [await live(role, 'c'), await live(role, 'wapiti')];
      expect(ours).toEqual(c);
      expect(ours.map(({ code }) => code)).toEqual([0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]);
    },
    240_000,
  );
});
