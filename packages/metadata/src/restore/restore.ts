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
  /** Images outside the folder: taken only if they are newer and of the same instance (spec 06 §9.2 step 3). */
  readonly otherImages?: readonly string[];
  /** Goes on where it would be refused, with the best state that can be had (`-i`). */
  readonly ignoreErrors?: boolean;
  /** Told after some thousand changes: numbers of the first, the current and the last one. */
  readonly progress?: (first: number, current: number, last: number) => void;
}

const IMAGE_NAME = /^metadata.+/s;
const CHANGELOG_NAME = /^changelog(_ml|_ml_back)?\.[0-9]+\.mfs$/;
const PROGRESS_CHANGES = 2497;

interface Candidate {
  readonly name: string;
  readonly header: ImageHeader;
}
/** An image that cannot be used, whose header tells of which version it was meant to be. */
interface Damaged {
  readonly name: string;
  readonly version: number;
}

const hex = (metaid: bigint): string => metaid.toString(16).toUpperCase();

function headerOf(files: RestoreFiles, name: string, log: (line: string) => void): ImageHeader | Damaged | undefined {
  const { head, tail } = files.readEnds(name, HEADER_BYTES, END_MARKER.length);
  try {
    return readImageHeader(head, tail);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    log(`found invalid metadata file (${error.reason}): ${name}`);
  }
  try {
    return { name, version: readImageHeader(head, END_MARKER).version };
  } catch {
    return undefined;
  }
}

/** Best image of the folder: valid, highest version, first seen wins (spec 06 §9.2). */
function chooseImage(
  files: RestoreFiles,
  names: readonly string[],
  log: (line: string) => void,
  { otherImages = [], ignoreErrors = false }: RestoreOptions,
): { image: string; damaged: Damaged | undefined } {
  let best: Candidate | undefined;
  let damaged: Damaged | undefined;
  let metaid = 0n;
  for (const name of names) {
    const header = headerOf(files, name, log);
    if (header === undefined) continue;
    if (!('metaid' in header)) {
      if (header.version > (damaged?.version ?? 0)) damaged = header;
      continue;
    }
    if (metaid !== 0n && header.metaid !== 0n && header.metaid !== metaid) {
      const reason = `found metadata file with different id number (id: ${hex(header.metaid)}, others: ${hex(metaid)})`;
      if (!ignoreErrors) throw new RestoreError(name, `${reason} - cleanup your working directory`);
      log(`${name}: ${reason} - ignoring`);
    }
    if (header.metaid !== 0n) metaid = header.metaid;
    if (best === undefined || header.version > best.header.version) best = { name, header };
  }
  for (const name of metaid === 0n ? [] : otherImages) {
    const header = headerOf(files, name, log);
    if (header === undefined || !('metaid' in header) || header.metaid !== metaid) continue;
    if (header.version > (best?.header.version ?? 0)) best = { name, header };
  }
  if (best === undefined) throw new RestoreError('', "can't find valid metadata file");
  return { image: best.name, damaged };
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

/** Applies one line; false: it cannot be read, and another file may have a good copy. */
function applyLine(store: MetadataStore, file: string, number: number, line: Buffer, log: Log): boolean {
  try {
    applyRecord(store, parseLine(line).change);
  } catch (error) {
    if (error instanceof ChangelogError && !error.unknownOperation) {
      log(`${file}: ${error.message} - line ignored`);
      return false;
    }
    if (error instanceof ChangelogError || error instanceof ApplyError || error instanceof UnsupportedChangeError)
      throw new RestoreError(file, `change ${number}: ${error.message}`);
    throw error;
  }
  if (store.version !== number + 1) throw new RestoreError(file, `change ${number}: version mismatch`);
  return true;
}

type Log = (line: string) => void;

function applyAll(
  store: MetadataStore,
  sources: readonly ChangelogFile[],
  log: Log,
  { ignoreErrors = false, progress }: RestoreOptions,
): number {
  const first = store.version;
  const last = Math.max(first, ...sources.map((file) => file.last));
  let applied: { number: number; line: Buffer; file: string } | undefined;
  let count = 0;
  try {
    for (const { file, number, line } of merge(sources)) {
      if (number === applied?.number && !line.equals(applied.line))
        throw new RestoreError(
          file.name,
          `change ${number} differs from that in ${applied.file}: changelogs of different histories - remove the wrong ones`,
        );
      // Earlier numbers are in the image, or were applied from another file's copy.
      if (number < store.version) continue;
      if (number > store.version)
        throw new RestoreError(
          file.name,
          `hole in change files (entries ${store.version} to ${number - 1} are missing) - add more files`,
        );
      if (!applyLine(store, file.name, number, line, log)) continue;
      applied = { number, line, file: file.name };
      if (++count % PROGRESS_CHANGES === 0) progress?.(first, number, last);
    }
  } catch (error) {
    if (!ignoreErrors || !(error instanceof RestoreError)) throw error;
    log(`${error.message} - ignoring (using best possible metadata version)`);
  }
  return count;
}

/**
 * Loads the best image of a folder and applies the changelogs to it (spec 06 §9). An incomplete last line is left out and reported.
 * @throws {RestoreError} nothing valid, images of two instances, a hole, a change that does not fit, changelogs that contradict
 *   each other, a result older than a damaged image that lies there
 * @throws {ImageError} the chosen image is damaged
 */
export function restoreMetadata(
  files: RestoreFiles,
  log: (line: string) => void,
  options: RestoreOptions,
): { store: MetadataStore; report: RestoreReport } {
  const names = options.image === undefined ? files.list() : [];
  const candidates = names.filter((name) => IMAGE_NAME.test(name));
  const { image, damaged } =
    options.image === undefined
      ? chooseImage(files, candidates, log, options)
      : { image: options.image, damaged: undefined };
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
  const applied = applyAll(store, used, log, options);
  for (const file of used)
    if (file.garbageAfter !== undefined)
      log(`found garbage at the end of file: ${file.name} (last correct id: ${file.garbageAfter})`);
  if (damaged !== undefined && damaged.version > store.version && options.ignoreErrors !== true)
    throw new RestoreError(
      damaged.name,
      `is damaged but of version ${damaged.version}, and only ${store.version} can be restored - remove it if that is to be lost`,
    );
  const torn = used.filter((f) => f.tornBytes > 0).map((f) => ({ file: f.name, sizeBytes: f.tornBytes }));
  const { version, metaid } = store;
  const changelogs = used.map((file) => file.name);
  return { store, report: { image, imageVersion, metaid, version, applied, changelogs, skipped, torn } };
}
