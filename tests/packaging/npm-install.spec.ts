import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { type ProcessResult, run } from '../harness/processes.js';
import { LocalRegistry } from './registry.js';

const ROOT = resolve(__dirname, '../..');
const PACKAGES = ['packages', 'apps'].flatMap((group) =>
  readdirSync(join(ROOT, group))
    .map((name) => join(ROOT, group, name))
    .filter((dir) => existsSync(join(dir, 'package.json'))),
);
const BINARIES = [
  ['mfsmaster', ['-v'], /^version: 3\.0\.117/],
  ['mfschunkserver', ['-v'], /^version: 3\.0\.117/],
  ['mfsmetalogger', ['-v'], /^version: 3\.0\.117/],
  ['mfsha', ['-v'], /^version: /],
  ['mfsmount', ['-V'], /^MFS version: 3\.0\.117/],
  ['mfsmetarestore', ['-h'], /usage: mfsmetarestore/],
  ['wapiti', ['--version'], /^\d/],
] as const;

interface Manifest {
  readonly name: string;
  readonly main: string;
  readonly types: string;
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string } | string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
}

describe('packages as they are published', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wapiti-packaging-'));
  const prefix = join(dir, 'prefix');
  const modules = join(prefix, 'lib', 'node_modules');
  const tarballs = new Map<string, string>();
  let registry: LocalRegistry;

  const npm = (cwd: string, ...args: string[]): Promise<ProcessResult> =>
    run('npm', [...args, '--registry', registry.url, '--cache', join(dir, 'cache'), '--no-audit', '--no-fund'], {
      cwd,
    });

  beforeAll(async () => {
    registry = await LocalRegistry.open();
    const packed = join(dir, 'packed');
    mkdirSync(packed);
    await run(
      'pnpm',
      ['-r', '--filter', './packages/*', '--filter', './apps/*', 'pack', '--pack-destination', packed],
      {
        cwd: ROOT,
      },
    );
    for (const file of readdirSync(packed)) {
      const { name } = await registry.addTarball(join(packed, file));
      tarballs.set(name, join(packed, file));
    }
    for (const one of PACKAGES) await registry.addDependenciesOf(one, dir);
    const apps = [...tarballs].filter(([name]) => BINARIES.some(([binary]) => name === `@wapiti-fs/${binary}`));
    await npm(dir, 'install', '--global', '--prefix', prefix, ...apps.map(([, file]) => file));
  }, 240_000);

  afterAll(() => {
    registry?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('is every package, with readme, licence, types, and versions instead of workspace references', async () => {
    expect(tarballs.size).toBe(PACKAGES.length);
    for (const file of tarballs.values()) {
      const files = (await run('tar', ['-tzf', file])).stdout.split('\n').map((name) => name.replace(/^package\//, ''));
      const manifest = JSON.parse((await run('tar', ['-xzOf', file, 'package/package.json'])).stdout) as Manifest;
      const main = manifest.exports['.'];
      const wanted = ['README.md', 'LICENSE', manifest.main, manifest.types, ...Object.values(manifest.bin ?? {})];
      if (typeof main === 'object') wanted.push(main.types, main.default);
      for (const path of wanted) expect(files).toContain(path.replace(/^\.\//, ''));
      expect(files.filter((name) => /\.tsbuildinfo$|^test\/|^src\//.test(name))).toEqual([]);
      for (const [name, version] of Object.entries(manifest.dependencies ?? {})) {
        if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${manifest.name} needs ${name} ${version}`);
      }
    }
  });

  it('name everything they need', () => {
    const needed = [...registry.missing].filter((name) => !/^@koromix\/koffi-|^npm$/.test(name));
    expect(needed).toEqual([]);
  });

  it.each(BINARIES)('%s works when installed globally', async (binary, args, output) => {
    const { stdout, stderr } = await run(join(prefix, 'bin', binary), args, { check: false });
    expect(`${stdout}${stderr}`).toMatch(output);
  });

  it('an installed daemon starts in the background, and stops', async () => {
    const data = join(dir, 'metalogger');
    mkdirSync(data);
    const settings = {
      WORKING_USER: 'root',
      WORKING_GROUP: 'root',
      DATA_PATH: data,
      MASTER_HOST: '127.0.0.1',
      MASTER_PORT: 1,
    };
    const config = join(dir, 'metalogger.cfg');
    const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(config, lines.join(''));
    const daemon = (action: string): Promise<ProcessResult> =>
      run(join(prefix, 'bin', 'mfsmetalogger'), ['-c', config, action]);
    try {
      expect((await daemon('start')).stderr).toContain('mfsmetalogger daemon initialized properly');
    } finally {
      expect((await daemon('stop')).stderr).toContain('terminated');
    }
  });

  it('are usable from strict TypeScript programs, as modules and as CommonJS, with every name that the types promise', async () => {
    const consumer = join(dir, 'consumer');
    mkdirSync(consumer);
    writeFileSync(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }');
    await npm(consumer, 'install', ...tarballs.keys());
    expect(readFileSync(join(consumer, 'package-lock.json'), 'utf8')).not.toContain('workspace:');
    const packages = [...tarballs.keys()];
    const imports = packages.map((name, i) => `import * as p${i} from '${name}';\n`).join('');
    const names = packages.map((name, i) => `  '${name}': Object.keys(p${i}).sort(),\n`).join('');
    const use = `import { CLTOMA_FUSE_STATFS, codec, FrameParser, VERSION } from '@wapiti-fs/protocol';
import { type Services, createLogger } from '@wapiti-fs/runtime';
export const services: Partial<Services> = { log: createLogger({ ident: 'consumer' }) };
const frames = [...new FrameParser(100).push(CLTOMA_FUSE_STATFS.encode({ msgid: VERSION }))];
if (CLTOMA_FUSE_STATFS.decode(frames[0]!.payload).msgid !== VERSION || codec.u8.doc !== 'u8') throw new Error('wrong');
`;
    const program = `${use}${imports}console.log(JSON.stringify({\n${names}}));\n`;
    for (const file of ['module.mts', 'common.cts']) writeFileSync(join(consumer, file), program);
    const types = join(ROOT, 'node_modules', '@types');
    const flags = ['--strict', '--module', 'node16', '--target', 'es2022', '--types', 'node', '--typeRoots', types];
    await run(join(ROOT, 'node_modules', '.bin', 'tsc'), [...flags, 'module.mts', 'common.cts'], { cwd: consumer });
    const [fromModule, fromCommon] = await Promise.all(
      ['module.mjs', 'common.cjs'].map(async (file) => {
        const { stdout } = await run(process.execPath, [file], { cwd: consumer });
        const exported = Object.entries(JSON.parse(stdout) as Record<string, string[]>);
        return exported.map(([name, keys]) => [
          name,
          keys.filter((key) => !['default', 'module.exports', '__esModule'].includes(key)),
        ]);
      }),
    );
    expect(fromModule).toEqual(fromCommon);
    expect(fromCommon?.map(([name]) => name)).toEqual(packages);
    for (const [, keys] of fromCommon ?? []) expect(keys?.length).toBeGreaterThan(0);
  }, 120_000);

  it('hold nothing below the prefix that is not a package', () => {
    expect(readdirSync(modules).sort()).toEqual(['@wapiti-fs']);
  });
});
