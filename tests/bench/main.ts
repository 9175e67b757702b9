/**
 * Benchmarks of whole clusters: the C client and ours on a wholly C cluster and on a wholly Wapiti one, the same loads in the same run,
 * in turns; and the benchmarks of single packages.
 * `scripts/bench [--quick] [--rounds N] [--size MIB] [--json FILE] [--only PART]`; parts: protocol, metadata, chunkserver, cluster.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Implementation, Lab, ROOT } from '../harness/lab.js';
import { run } from '../harness/processes.js';

const HOSTS = { m: '10.1.1.105', a: '10.1.1.1', b: '10.1.1.2', cl: '10.1.1.111' };
const LOAD_TIMEOUT_MS = 300_000;

function argument(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

const quick = process.argv.includes('--quick');
const rounds = Number(argument('--rounds') ?? (quick ? 1 : 3));
const sizeMib = Number(argument('--size') ?? (quick ? 128 : 1024));
const smallFiles = quick ? 200 : 1000;
const appends = quick ? 100 : 500;

/** `client on cluster`: figures of all rounds by name of the load. */
type Figures = Map<string, number[]>;

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly values: Readonly<Record<string, number | undefined>>;
  /** Ours to C. */
  readonly ratio: number | undefined;
}

interface Part {
  readonly part: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly failures: readonly string[];
}

const LOADS = [
  { name: `sequential write, ${sizeMib} MiB`, unit: 'MiB/s', load: 'write', number: sizeMib },
  { name: `sequential read, ${sizeMib} MiB`, unit: 'MiB/s', load: 'read', number: sizeMib },
  { name: 'files of 1 KiB made', unit: 'files/s', load: 'create', number: smallFiles },
  { name: 'files of 1 KiB read', unit: 'files/s', load: 'open', number: smallFiles },
  { name: '4 KiB appended and fsynced', unit: 'appends/s', load: 'append', number: appends },
] as const;

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** One client on one running cluster: all loads once, each on a fresh mount, so that the kernel has nothing cached. */
async function round(lab: Lab, client: Implementation, folder: string, figures: Figures): Promise<void> {
  for (const { name, load, number } of LOADS) {
    const { dir } = await lab.mount('cl', lab.address('m'), { implementation: client, name: `mnt-${folder}-${load}` });
    try {
      const target = join(dir, folder);
      await run('mkdir', ['-p', target]);
      const child = spawnSync(process.execPath, [join(ROOT, 'tests/bench/load.mjs'), target, load, String(number)], {
        encoding: 'utf8',
        timeout: LOAD_TIMEOUT_MS,
      });
      if (child.status !== 0) throw new Error(`${name}: ${child.stderr || 'took too long'}`);
      const { seconds } = JSON.parse(child.stdout) as { seconds: number };
      figures.set(name, [...(figures.get(name) ?? []), number / seconds]);
      if (load === 'append') await run('rm', ['-rf', target]);
    } finally {
      await lab.unmount(dir);
    }
  }
}

async function startCluster(implementation: Implementation): Promise<Lab> {
  const lab = await Lab.create(HOSTS);
  try {
    await lab.master('m', { implementation });
    for (const host of ['a', 'b']) await lab.chunkserver(host, lab.address('m'), { implementation, name: host });
    await lab.waitChunkservers(lab.address('m'), 2);
    const { dir } = await lab.mount('cl', lab.address('m'), { implementation: 'c', name: 'mnt-goal' });
    await lab.on('cl', 'timeout', ['20', 'mfssetgoal', '-r', '2', dir]);
    await lab.unmount(dir);
    return lab;
  } catch (error) {
    await lab.destroy();
    throw error;
  }
}

async function clusterPart(): Promise<Part> {
  const columns: string[] = [];
  const all = new Map<string, Figures>();
  const failures: string[] = [];
  const labs = new Map<Implementation, Lab>();
  const failed = (what: string, error: Error): void => void failures.push(`${what}: ${error.message.split('\n')[0]}`);
  try {
    for (const cluster of ['c', 'wapiti'] as const) {
      const lab = await startCluster(cluster).catch((error: Error) => failed(`${cluster} cluster`, error));
      if (lab !== undefined) labs.set(cluster, lab);
    }
    // In turns: what the machine does beside hits all of them.
    for (let i = 0; i < rounds; i++) {
      for (const [cluster, lab] of labs) {
        for (const client of ['c', 'wapiti'] as const) {
          const column = `${client} client, ${cluster} cluster`;
          const figures: Figures = all.get(column) ?? new Map<string, number[]>();
          all.set(column, figures);
          if (!columns.includes(column)) columns.push(column);
          await round(lab, client, `${client}-${i}`, figures).catch((error: Error) =>
            failed(`${column}, round ${i + 1}`, error),
          );
        }
      }
    }
  } finally {
    for (const lab of labs.values()) await lab.destroy();
  }
  const rows = LOADS.map(({ name, unit }) => {
    const values = Object.fromEntries(columns.map((column) => [column, median(all.get(column)?.get(name) ?? [])]));
    const reference = values['c client, c cluster'];
    const ours = values['wapiti client, wapiti cluster'] ?? values['wapiti client, c cluster'];
    return { name, unit, values, ratio: reference === undefined || ours === undefined ? undefined : ours / reference };
  });
  return { part: 'cluster', columns, rows, failures };
}

interface ToolRow {
  readonly name: string;
  readonly unit?: string;
  readonly c?: number;
  readonly ours: number;
  readonly ratio?: number;
}

/** What a benchmark of a package writes: rows, or values by name. */
interface ToolResult {
  readonly rows?: readonly ToolRow[];
  readonly results?: Readonly<Record<string, { readonly value: number; readonly unit: string }>>;
}

/** A benchmark of one package, which prints JSON into a file. */
function toolPart(part: string, script: string, args: readonly string[]): Part {
  const file = join(ROOT, script);
  if (!existsSync(file)) return { part, columns: [], rows: [], failures: [`${script} does not exist`] };
  const dir = mkdtempSync(join(tmpdir(), 'wapiti-bench-json-'));
  try {
    const json = join(dir, 'result.json');
    const child = spawnSync(process.execPath, [file, ...args, '--json', json], {
      encoding: 'utf8',
      timeout: LOAD_TIMEOUT_MS,
    });
    if (child.status !== 0)
      return { part, columns: [], rows: [], failures: [`${script}: ${child.stderr.split('\n')[0]}`] };
    const { rows, results } = JSON.parse(readFileSync(json, 'utf8')) as ToolResult;
    const all: readonly ToolRow[] =
      rows ?? Object.entries(results ?? {}).map(([name, { value, unit }]) => ({ name, unit, ours: value }));
    return {
      part,
      columns: all.some((row) => row.c !== undefined) ? ['C', 'ours'] : ['ours'],
      rows: all.map(({ name, unit, c, ours, ratio }) => ({ name, unit: unit ?? '', values: { C: c, ours }, ratio })),
      failures: [],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function table({ part, columns, rows, failures }: Part): string {
  const figure = (value: number | undefined): string =>
    value === undefined ? '–' : value >= 100 ? value.toFixed(0) : value.toFixed(1);
  const lines = [
    `| ${part} | ${columns.join(' | ')} | ours / C |`,
    `|---|${columns.map(() => '---:|').join('')}---:|`,
    ...rows.map(
      ({ name, unit, values, ratio }) =>
        `| ${name}${unit === '' ? '' : `, ${unit}`} | ${columns.map((column) => figure(values[column])).join(' | ')} | ${
          ratio === undefined ? '–' : ratio.toFixed(2)
        } |`,
    ),
  ];
  return [...(rows.length > 0 ? lines : []), ...failures.map((failure) => `failed: ${failure}`)].join('\n');
}

async function main(): Promise<void> {
  const only = argument('--only');
  const parts: Part[] = [];
  const add = (part: Part): void => {
    parts.push(part);
    console.log(`${table(part)}\n`);
  };
  if (only === undefined || only === 'protocol') add(toolPart('protocol', 'packages/protocol/bench/frames.mjs', []));
  if (only === undefined || only === 'metadata')
    add(toolPart('metadata', 'packages/metadata/bench/store.mjs', ['--files', String(quick ? 100_000 : 1_000_000)]));
  if (only === undefined || only === 'chunkserver')
    add(toolPart('one chunkserver', 'apps/mfschunkserver/bench/throughput.mjs', ['--rounds', String(rounds)]));
  if (only === undefined || only === 'cluster') add(await clusterPart());
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.version };
  const json = `${JSON.stringify({ machine, rounds, sizeMib, parts }, undefined, 2)}\n`;
  const file = argument('--json');
  if (file === undefined) console.log(json);
  else writeFileSync(file, json);
  process.exitCode = parts.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

void main();
