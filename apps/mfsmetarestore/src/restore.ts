/** The restore itself: from an image and changelogs to a new image (spec 06 §9). */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import {
  END_MARKER,
  HEADER_BYTES,
  ImageError,
  readImageHeader,
  restoreMetadata,
  type RestoreOptions,
  writeImage,
} from '@wapiti-fs/metadata';
import { atomicReplaceSync, emergencyImages, FolderFiles, lockFileOwner } from '@wapiti-fs/runtime';

import { say } from './say.js';

const PROGRESS_MS = 1000;
const ROUTINE = /^(using|skipping) /;

export interface Task {
  readonly folder: string;
  readonly output: string;
  readonly ignoreErrors: boolean;
  readonly verbose: boolean;
  /** Undefined: all that the folder holds. */
  readonly given: { readonly image: string; readonly changelogs: readonly string[] } | undefined;
}

/** @throws Error why nothing was stored */
export function restore({ folder, output, ignoreErrors, verbose, given }: Task): void {
  const pid = lockFileOwner(join(dirname(output), '.mfsmaster.lock'));
  if (pid !== undefined) throw new Error(`a master (pid:${pid}) runs in ${dirname(output)}: stop it first`);

  const files = new FolderFiles(folder);
  const now = Math.floor(Date.now() / 1000);
  const options: RestoreOptions = { now, ignoreErrors, progress: progressPrinter(verbose) };
  const { store, report } = restoreMetadata(
    files,
    (line) => {
      if (verbose || !ROUTINE.test(line)) say(line);
    },
    given === undefined ? { ...options, otherImages: emergencyImages() } : { ...options, ...given },
  );
  const there = imageAt(output);
  if (there !== undefined && !ignoreErrors) {
    if (there.version > report.version)
      throw new Error(`${output} is of version ${there.version}, newer than the restored ${report.version}: kept`);
    if (there.metaid !== 0n && report.metaid !== 0n && there.metaid !== report.metaid)
      throw new Error(`${output} is of another file system (id ${there.metaid.toString(16).toUpperCase()}): kept`);
  }
  if (given === undefined) {
    const torn = files.cutTornLine('changelog.0.mfs');
    if (torn > 0) say(`changelog.0.mfs: incomplete last line of ${torn} bytes cut off`);
  }
  atomicReplaceSync(output, writeImage(store, now));
  process.stdout.write(
    `${report.applied} changes applied to ${report.image} (version ${report.imageVersion}), ` +
      `metadata version ${report.version} stored\n`,
  );
}

/** Lines of progress once a second, when it takes longer than that. */
function progressPrinter(verbose: boolean): NonNullable<RestoreOptions['progress']> {
  const startedMs = performance.now();
  let nextMs = startedMs + (verbose ? 0 : PROGRESS_MS);
  return (first, current, last) => {
    const nowMs = performance.now();
    if (nowMs < nextMs) return;
    nextMs = nowMs + PROGRESS_MS;
    const done = (current - first + 1) / Math.max(1, last - first + 1);
    const etaS = Math.ceil(((nowMs - startedMs) * (1 - done)) / done / 1000);
    const percent = Math.floor(done * 100);
    say(`progress: current change: ${current} (first:${first} - last:${last} - ${percent}% - ETA:${etaS}s)`);
  };
}

/** Version and id of an image file; undefined if there is none, or no usable one. */
function imageAt(path: string): { readonly version: number; readonly metaid: bigint } | undefined {
  if (!existsSync(path)) return undefined;
  const { head, tail } = new FolderFiles('.').readEnds(path, HEADER_BYTES, END_MARKER.length);
  try {
    return readImageHeader(head, tail);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}
