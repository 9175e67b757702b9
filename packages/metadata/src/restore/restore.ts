import { ChangelogError } from '../changelog/error.js';
import { parseLine } from '../changelog/parse.js';
import { ImageError } from '../image/error.js';
import { END_MARKER, HEADER_BYTES, type ImageHeader, readImageHeader } from '../image/frame.js';
import { readImage } from '../image/read.js';
import { applyRecord } from '../ops/apply/index.js';
import { ApplyError, UnsupportedChangeError } from '../ops/errors.js';
import type { MetadataStore } from '../store/store.js';
import { ChangelogFile } from './changelog-file.js';
import { RestoreError } from './error.js';

/** Access to the data folder. Errors of reading are the implementer's and pass through. */
export interface RestoreFiles {
  /** Names of all files of the folder. */
  list(): readonly string[];
  read(name: string): Buffer;
  /** Only the ends of a file: up to `headBytes` from its start and `tailBytes` from its end. */
  readEnds(name: string, headBytes: number, tailBytes: number): { head: Buffer; tail: Buffer };
}

export interface RestoreReport {
  readonly image: string;
  readonly imageVersion: number;
  readonly metaid: bigint;
  /** Number of the next change, after everything was applied. */
  readonly version: number;
  readonly applied: number;
  readonly changelogs: readonly string[];
  readonly skipped: readonly string[];
  /** Files whose last line was cut short, with the bytes left out. */
  readonly torn: readonly { readonly file: string; readonly sizeBytes: number }[];
}

export interface RestoreOptions {
  /** Seconds: times of the root of a `MFSM NEW` image. */
  readonly now: number;
  /** Use just this image and these changelogs instead of what the folder holds. */
  readonly image?: string;
  readonly changelogs?: readonly string[];
}

const IMAGE_NAME = /^metadata.+/s;
const CHANGELOG_NAME = /^changelog(_ml|_ml_back)?\.[0-9]+\.mfs$/;

/** Best image of the folder: valid, highest version, first seen wins (spec 06 §9.2). */
function chooseImage(files: RestoreFiles, names: readonly string[], log: (line: string) => void): string {
  let best: { name: string; header: ImageHeader } | undefined;
  let metaid = 0n;
  for (const name of names) {
    let header: ImageHeader;
    try {
      const { head, tail } = files.readEnds(name, HEADER_BYTES, END_MARKER.length);
      header = readImageHeader(head, tail);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      log(`found invalid metadata file (${error.reason}): ${name}`);
      continue;
    }
    if (metaid !== 0n && header.metaid !== 0n && header.metaid !== metaid) {
      const hex = header.metaid.toString(16).toUpperCase();
      const reason = 'found metadata file with different id number - cleanup your working directory';
      throw new RestoreError(name, `${reason} (id: ${hex})`);
    }
    if (header.metaid !== 0n) metaid = header.metaid;
    if (best === undefined || header.version > best.header.version) best = { name, header };
  }
  if (best === undefined) throw new RestoreError('', "can't find valid metadata file");
  return best.name;
}

/** Lines of all files, smallest number first (spec 06 §9.4). */
function* merge(sources: readonly ChangelogFile[]): Generator<{ file: ChangelogFile; number: number; line: Buffer }> {
  const heads = sources.map((file) => ({ file, head: file.next() }));
  for (;;) {
    let least: (typeof heads)[number] | undefined;
    for (const entry of heads)
      if (entry.head !== undefined && (least?.head === undefined || entry.head.number < least.head.number))
        least = entry;
    if (least?.head === undefined) return;
    yield { file: least.file, ...least.head };
    least.head = least.file.next();
  }
}

function applyAll(store: MetadataStore, sources: readonly ChangelogFile[], log: (line: string) => void): number {
  let applied = 0;
  for (const { file, number, line } of merge(sources)) {
    // Earlier numbers are in the image, or were applied from another file's copy.
    if (number < store.version) continue;
    if (number > store.version)
      throw new RestoreError(
        file.name,
        `hole in change files (entries ${store.version} to ${number - 1} are missing) - add more files`,
      );
    try {
      applyRecord(store, parseLine(line).change);
    } catch (error) {
      if (error instanceof ChangelogError && !error.unknownOperation) {
        // Another file may have a good copy of this line; if not, the next line is beyond a hole.
        log(`${file.name}: ${error.message} - line ignored`);
        continue;
      }
      if (error instanceof ChangelogError || error instanceof ApplyError || error instanceof UnsupportedChangeError)
        throw new RestoreError(file.name, `change ${number}: ${error.message}`);
      throw error;
    }
    if (store.version !== number + 1) throw new RestoreError(file.name, `change ${number}: version mismatch`);
    applied++;
  }
  return applied;
}

/**
 * Loads the best image of a folder and applies the changelogs to it (spec 06 §9). An incomplete last line is left out and reported.
 * @throws {RestoreError} nothing valid, images of two instances, a hole, a change that does not fit
 * @throws {ImageError} the chosen image is damaged
 */
export function restoreMetadata(
  files: RestoreFiles,
  log: (line: string) => void,
  options: RestoreOptions,
): { store: MetadataStore; report: RestoreReport } {
  const names = options.image === undefined ? files.list() : [];
  const image =
    options.image ??
    chooseImage(
      files,
      names.filter((name) => IMAGE_NAME.test(name)),
      log,
    );
  const store = readImage(files.read(image), options.now);
  const imageVersion = store.version;
  log(`using metadata file: ${image} (version: ${imageVersion})`);
  const used: ChangelogFile[] = [];
  const skipped: string[] = [];
  for (const name of options.changelogs ?? names.filter((candidate) => CHANGELOG_NAME.test(candidate))) {
    const file = new ChangelogFile(name, files.read(name));
    const use = file.first !== 0 && file.last >= imageVersion;
    const range = `${file.first === 0 ? '???' : file.first} - ${file.last === 0 ? '???' : file.last}`;
    log(`${use ? 'using' : 'skipping'} changelog file: ${name} (changes: ${range})`);
    if (use) used.push(file);
    else skipped.push(name);
    if (file.tornBytes > 0) log(`${name}: incomplete last line of ${file.tornBytes} bytes left out`);
  }
  const applied = applyAll(store, used, log);
  for (const file of used)
    if (file.garbageAfter !== undefined)
      log(`found garbage at the end of file: ${file.name} (last correct id: ${file.garbageAfter})`);
  const torn = used.filter((f) => f.tornBytes > 0).map((f) => ({ file: f.name, sizeBytes: f.tornBytes }));
  const { version, metaid } = store;
  const changelogs = used.map((file) => file.name);
  return { store, report: { image, imageVersion, metaid, version, applied, changelogs, skipped, torn } };
}
