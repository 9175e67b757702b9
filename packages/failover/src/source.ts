/** What a host could be promoted from: the images in its data folder (spec 14 §7 no. 2, spec 06 §9.1). */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';

import type { HostRole } from './host-state.js';

/** A promotion is not possible, and why; the agent gives up mastership (spec 14 §7). */
export class PromotionRefused extends Error {
  readonly code = 'EREFUSED';
}

export interface ImageHeader {
  readonly file: string;
  /** Metadata version, 1 for a file system that never was saved. */
  readonly version: bigint;
  /** 0: not known yet (`MFSM NEW`). */
  readonly metaid: bigint;
}

export interface Source {
  readonly image: string;
  readonly version: bigint;
  readonly metaid: bigint;
  /** Changelogs have to be replayed on it; false: `metadata.mfs` as a clean stop left it. */
  readonly restore: boolean;
}

const END_MARKER = '[MFS EOF MARKER]';
const FRESH = 'MFSM NEW';
/** Written by the master; of a backup only a leftover. */
export const MASTER_FILE = /^(metadata\.mfs(?!\.empty$)|metadata\.crc$|changelog\.\d)/;
/** Written by the metalogger. */
export const METALOGGER_FILE = /^(metadata_ml\.|changelog_ml)/;

/** Header of a complete image; undefined for anything else. */
export function readImageHeader(folder: string, file: string): ImageHeader | undefined {
  let fd: number;
  try {
    fd = openSync(join(folder, file), 'r');
  } catch {
    return undefined;
  }
  try {
    const { size } = fstatSync(fd);
    const head = Buffer.alloc(24);
    const tail = Buffer.alloc(16);
    const headBytes = readSync(fd, head, 0, 24, 0);
    if (headBytes >= 8 && head.toString('latin1', 0, 8) === FRESH) return { file, version: 1n, metaid: 0n };
    if (headBytes < 24 || !/^MFSM [2-9]\.\d$/.test(head.toString('latin1', 0, 8))) return undefined;
    readSync(fd, tail, 0, 16, Math.max(0, size - 16));
    if (tail.toString('latin1') !== END_MARKER) return undefined;
    return { file, version: head.readBigUInt64BE(8), metaid: head.readBigUInt64BE(16) };
  } finally {
    closeSync(fd);
  }
}

/** Newest complete image among the files of one kind. */
export function newestImage(folder: string, kind: RegExp): ImageHeader | undefined {
  let best: ImageHeader | undefined;
  for (const file of readdirSync(folder)) {
    if (!file.startsWith('metadata') || !kind.test(file)) continue;
    const header = readImageHeader(folder, file);
    if (header !== undefined && (best === undefined || header.version > best.version)) best = header;
  }
  return best;
}

/**
 * Chooses what the master is to start from. A host that was master has its own files (and those of the metalogger it was
 * promoted from); a backup has only what its metalogger received.
 *
 * @throws PromotionRefused when there is no complete image or it belongs to another file system
 */
export function chooseSource(folder: string, role: HostRole, knownMetaid: bigint | undefined): Source {
  const kind = role === 'master' ? /^/ : METALOGGER_FILE;
  const best = newestImage(folder, kind);
  if (best === undefined) {
    throw new PromotionRefused(
      role === 'master'
        ? `there is no complete image in ${folder}`
        : `the metalogger has received no complete image yet (${folder})`,
    );
  }
  checkMetaid(best, knownMetaid);
  const clean = best.file === 'metadata.mfs' && readImageHeader(folder, 'metadata.mfs.back') === undefined;
  return { image: best.file, version: best.version, metaid: best.metaid, restore: !clean };
}

export function checkMetaid(image: ImageHeader, known: bigint | undefined): void {
  if (known === undefined || image.metaid === 0n || image.metaid === known) return;
  throw new PromotionRefused(
    `${image.file} belongs to another file system: metadata id ${hex(image.metaid)}, expected ${hex(known)}`,
  );
}

function hex(id: bigint): string {
  return `0x${id.toString(16).toUpperCase().padStart(16, '0')}`;
}
