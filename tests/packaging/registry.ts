import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { dirname, join } from 'node:path';

import { run } from '../harness/processes.js';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [more: string]: unknown;
}

interface Entry {
  readonly manifest: Manifest;
  readonly tarball: Buffer;
}

/**
 * A package registry on loopback with our tarballs and, packed from what is installed here, everything they depend on: an
 * installation by npm from it needs no network, and proves that the packages name all they need.
 */
export class LocalRegistry {
  /** By name, then by version. */
  private readonly entries = new Map<string, Map<string, Entry>>();
  private readonly server: Server;
  /** Packages that were asked for and are not here. */
  readonly missing = new Set<string>();

  private constructor() {
    this.server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '/').slice(1);
      const [, name = path, version] = /^-\/(.+)\/([^/]+)\.tgz$/.exec(path) ?? [];
      const versions = this.entries.get(name);
      const entry = version === undefined ? undefined : versions?.get(version);
      if (versions === undefined || (version !== undefined && entry === undefined)) {
        this.missing.add(name);
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
      } else if (entry !== undefined) {
        response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(entry.tarball);
      } else {
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify(this.packument(name, versions)));
      }
    });
  }

  static async open(): Promise<LocalRegistry> {
    const registry = new LocalRegistry();
    registry.server.listen(0, '127.0.0.1');
    await once(registry.server, 'listening');
    return registry;
  }

  get url(): string {
    const address = this.server.address();
    return `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}/`;
  }

  private packument(name: string, entries: ReadonlyMap<string, Entry>): object {
    const versions = [...entries].map(([version, { manifest, tarball }]) => {
      const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
      return [version, { ...manifest, dist: { tarball: `${this.url}-/${name}/${version}.tgz`, integrity } }] as const;
    });
    return { name, 'dist-tags': { latest: versions.at(-1)?.[0] }, versions: Object.fromEntries(versions) };
  }

  private add(manifest: Manifest, file: string): void {
    const versions = this.entries.get(manifest.name) ?? new Map<string, Entry>();
    versions.set(manifest.version, { manifest, tarball: readFileSync(file) });
    this.entries.set(manifest.name, versions);
  }

  /** A tarball as `pnpm pack` makes it. */
  async addTarball(file: string): Promise<Manifest> {
    const { stdout } = await run('tar', ['-xzOf', file, 'package/package.json']);
    const manifest = JSON.parse(stdout) as Manifest;
    this.add(manifest, file);
    return manifest;
  }

  /** A package that lies in a `node_modules` folder, and what it depends on. */
  async addInstalled(dir: string, scratch: string): Promise<void> {
    const real = realpathSync(dir);
    const manifest = JSON.parse(readFileSync(join(real, 'package.json'), 'utf8')) as Manifest;
    if (this.entries.get(manifest.name)?.has(manifest.version) === true) return;
    const file = join(scratch, `${manifest.name.replaceAll('/', '+')}-${manifest.version}.tgz`);
    // pnpm makes equal files one inode; npm leaves out links when it unpacks.
    const plain = ['--hard-dereference', '--transform', 's,^\\.,package,', '--exclude', './node_modules'];
    await run('tar', ['-czf', file, ...plain, '-C', real, '.']);
    this.add(manifest, file);
    // In the layout of pnpm the dependencies of a package are its neighbours.
    const neighbours = manifest.name.startsWith('@') ? dirname(dirname(real)) : dirname(real);
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      if (existsSync(join(neighbours, name))) await this.addInstalled(join(neighbours, name), scratch);
    }
  }

  /** What a package of this workspace depends on, apart from the workspace itself. */
  async addDependenciesOf(packageDir: string, scratch: string): Promise<void> {
    const modules = join(packageDir, 'node_modules');
    if (!existsSync(modules)) return;
    for (const name of readdirSync(modules)) {
      if (name.startsWith('.') || name === '@wapiti-fs') continue;
      const names = name.startsWith('@') ? readdirSync(join(modules, name)).map((one) => `${name}/${one}`) : [name];
      for (const one of names) await this.addInstalled(join(modules, one), scratch);
    }
  }

  close(): void {
    this.server.close();
  }
}
