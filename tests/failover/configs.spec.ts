import { join } from 'node:path';

import { binary, ROOT } from '../harness/lab.js';
import { run } from '../harness/processes.js';

const FILES: [string, string, RegExp[]][] = [
  ['mfsmaster', 'two-hosts/mfsmaster.cfg', [/^EXPORTS_FILENAME = \/etc\/mfs\/mfsexports\.cfg$/m]],
  ['mfsmetalogger', 'two-hosts/mfsmetalogger.cfg', [/^MASTER_HOST = mfsmaster$/m, /^META_DOWNLOAD_FREQ = 1$/m]],
  ['mfschunkserver', 'two-hosts/mfschunkserver.cfg', [/^MASTER_HOST = mfsmaster$/m]],
  ['mfsha', 'two-hosts/main/mfsha.yaml', [/^VRRP_PRIORITY = 100$/m, /^VRRP_PASSWORD = \*{8}$/m]],
  ['mfsha', 'two-hosts/backup/mfsha.yaml', [/^VRRP_PRIORITY = 80$/m, /^INITIAL_ROLE = backup$/m]],
  ['mfsha', 'two-hosts-fast/main/mfsha.yaml', [/^VRRP_VERSION = 3$/m]],
  ['mfsha', 'two-hosts-fast/backup/mfsha.yaml', [/^VRRP_ADVERT_INTERVAL_MS = 100$/m]],
];

describe('the configuration files we ship', () => {
  it.each(FILES)('%s takes %s without a warning', async (role, file, patterns) => {
    const [command, ...args] = binary(role, 'wapiti') as [string, ...string[]];
    const path = join(ROOT, 'configs', file);
    const { stdout, stderr } = await run(command, [...args, '-c', path, 'test'], { check: false });
    expect(stdout).toContain(`# effective configuration: ${path}`);
    expect(stdout).not.toMatch(/warning/);
    expect(stderr).toMatch(/is not running|pid:/);
    for (const pattern of patterns) expect(stdout).toMatch(pattern);
  });
});
