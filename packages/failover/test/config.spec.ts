import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ConfigError, loadConfig } from '@wapiti-fs/runtime';

import { agentDefinition, askAgent, controlSocketPath, listenControl } from '../src/index.js';

const CONFIGS = join(__dirname, '../../../configs');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wapiti-mfsha-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function problems(text: string): readonly string[] {
  const file = join(folder, 'mfsha.yaml');
  writeFileSync(file, text);
  try {
    loadConfig(agentDefinition, file);
  } catch (error) {
    return (error as ConfigError).problems.map((one) => one.replace(`${file}:`, ''));
  }
  return [];
}

const GOOD = `vrrp:
  interface: eth1
  virtualRouterId: 88
  virtualAddresses: [10.1.1.103/32]
`;

describe('configuration of the agent', () => {
  it.each([
    ['two-hosts/main', 'master', 2, 100, 1000],
    ['two-hosts/backup', 'backup', 2, 80, 1000],
    ['two-hosts-fast/main', 'master', 3, 100, 100],
    ['two-hosts-fast/backup', 'backup', 3, 80, 100],
  ])('configs/%s', (name, initialRole, version, priority, advertIntervalMs) => {
    const { config, warnings } = loadConfig(agentDefinition, join(CONFIGS, name, 'mfsha.yaml'));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      initialRole,
      dataDir: '/var/lib/mfs',
      vrrp: {
        version,
        priority,
        advertIntervalMs,
        interface: 'eth1',
        virtualRouterId: 88,
        virtualAddresses: ['10.1.1.103/32'],
        preempt: false,
        password: version === 2 ? '1111' : undefined,
      },
      commands: { restore: ['mfsmetarestore', '-a', '-d', '/var/lib/mfs'] },
    });
  });

  it('needs little: the defaults are those of spec 14', () => {
    expect(problems(GOOD)).toEqual([]);
    expect(loadConfig(agentDefinition, join(folder, 'mfsha.yaml')).config).toMatchObject({
      vrrp: { version: 2, advertIntervalMs: 1000, preempt: false, garpCount: 5, garpDelayMs: 5000 },
      probe: { port: 9421, intervalMs: 2000, fall: 2 },
    });
  });

  it('all that is wrong is told at once, with line and key', () => {
    expect(
      problems(`vrrp:
  version: 4
  virtualRouterId: 256
  priority: 0
  virtualAddresses: [10.1.1.300]
  unicastPeers: [mfs-main]
probe: { fall: 0 }
`),
    ).toEqual([
      // no line of the file: told first
      expect.stringMatching(/VRRP_INTERFACE: the name of an interface must be given/),
      expect.stringMatching(/^2: VRRP_VERSION: /),
      expect.stringMatching(/^3: VRRP_VIRTUAL_ROUTER_ID: '256' is outside/),
      expect.stringMatching(/^4: VRRP_PRIORITY: '0' is outside/),
      expect.stringMatching(/^5: VRRP_VIRTUAL_ADDRESSES: '10.1.1.300' is not an address/),
      expect.stringMatching(/^6: VRRP_UNICAST_PEERS: 'mfs-main' is not an IPv4 address/),
      expect.stringMatching(/^7: PROBE_FALL: '0' is outside/),
    ]);
  });

  it.each([
    ['version: 2\n  advertIntervalMs: 500', /version 2 counts whole seconds/],
    ['version: 3\n  advertIntervalMs: 105', /version 3 counts hundredths/],
    ["version: 3\n  password: '1111'", /version 3 has no authentication/],
    ['password: much too long', /longer than 8 bytes/],
    ['virtualAddresses: [10.1.1.103/33]', /is not an address/],
    ['virtualAddresses: []', /at least one value/],
  ])('%s', (lines, message) => {
    const key = /^\w+/.exec(lines)?.[0];
    const rest = GOOD.split('\n').filter((line) => !line.trim().startsWith(`${key}:`));
    expect(problems(`${rest.join('\n')}  ${lines}\n`).join('\n')).toMatch(message);
  });
});

describe('control socket', () => {
  it('answers, refuses, and says when nobody is there', async () => {
    await expect(askAgent(folder, 'status')).rejects.toThrow(/no agent answers in/);
    const server = await listenControl(controlSocketPath(folder), async (word) => {
      if (word !== 'status') throw new Error(`unknown request '${word}'`);
      return { serving: true };
    });
    try {
      expect(await askAgent(folder, 'status')).toEqual({ serving: true });
      await expect(askAgent(folder, 'dance')).rejects.toThrow("unknown request 'dance'");
      await expect(askAgent(folder, 'x'.repeat(100_000))).rejects.toThrow();
      expect(await askAgent(folder, 'status')).toEqual({ serving: true });
    } finally {
      server.close();
    }
  });
});
