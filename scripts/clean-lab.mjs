// Removes what a killed test run left behind: namespaces whose tag names a test process that is gone, with the
// processes inside them, their mounts and folders. Namespaces of running test processes stay.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const namespaces = (spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout ?? '')
  .split('\n')
  .map((line) => line.split(' ')[0]);
for (const namespace of namespaces) {
  const match = /^wl([0-9a-z]+)[0-9a-f]{4}-/.exec(namespace);
  if (!match || existsSync(`/proc/${parseInt(match[1], 36)}`)) continue;
  for (const pid of (spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).stdout ?? '')
    .split('\n')
    .filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // it has ended meanwhile
    }
  }
  execFileSync('ip', ['netns', 'del', namespace]);
  console.log(`removed namespace ${namespace}`);
}
for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith('wapiti-lab-'))) {
  const dir = join(tmpdir(), name);
  const used = readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dir);
    } catch {
      return false;
    }
  });
  const owner = /^wapiti-lab-(\d+)-/.exec(name);
  if (used || (owner && existsSync(`/proc/${owner[1]}`))) continue;
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const point = line.split(' ')[4];
    if (point?.startsWith(`${dir}/`)) spawnSync('umount', ['-c', '-l', point], { timeout: 5000 });
  }
  rmSync(dir, { recursive: true, force: true });
  console.log(`removed ${dir}`);
}
