import { ProtocolError, Reader } from '@wapiti-fs/protocol';
import { MetadataStore } from '../store/store.js';
import { ImageError } from './error.js';
import { END_MARKER, HEADER_BYTES, readImageHeader, SECTION_HEADER_BYTES, SECTIONS } from './frame.js';
import { SECTION_READERS, type SectionReader } from './read-sections.js';
import { checkTree } from './tree.js';

const UNKNOWN_LENGTH = 0xffffffffffffffffn;

/**
 * Reads an image (spec 07).
 * @param now seconds: times of the root if the image is `MFSM NEW`
 * @throws {ImageError} damaged, of a newer version, or not consistent (spec 07 §5)
 */
export function readImage(bytes: Buffer, now = 0): MetadataStore {
  const header = readImageHeader(bytes.subarray(0, HEADER_BYTES), bytes.subarray(-END_MARKER.length));
  if (header.isNew) return MetadataStore.empty(now);
  const store = new MetadataStore();
  store.version = header.version;
  store.metaid = header.metaid;
  const input = new Reader(bytes);
  input.offset = HEADER_BYTES;
  const seen = new Set<string>();
  for (;;) {
    const at = input.offset;
    if (input.remaining < SECTION_HEADER_BYTES) throw new ImageError('END', at, 0, 'file ends without end marker');
    const head = input.bytes(SECTION_HEADER_BYTES);
    if (head.equals(END_MARKER)) break;
    readSection(store, input, head, at, seen);
  }
  if (input.remaining > 0) throw new ImageError('END', input.offset, 0, 'data behind the end marker');
  checkTree(store, input.offset);
  store.deriveAll();
  return store;
}

function readSection(store: MetadataStore, input: Reader, head: Buffer, at: number, seen: Set<string>): void {
  const name = head.toString('latin1', 0, 4);
  const known = SECTIONS.find(([section]) => section === name);
  const shown = head.toString('latin1', 0, 8).replace(/[^\x20-\x7e]/g, '?');
  if (known === undefined) throw new ImageError('HEAD', at, 0, `unknown section '${shown}'`);
  const version = head.toString('latin1', 4, 8);
  if (version !== ` ${known[1]}`)
    throw new ImageError(known[0], at, 0, `section version '${shown}' is not supported, ${known[1]} is`);
  if (seen.has(name)) throw new ImageError(known[0], at, 0, 'section is repeated');
  seen.add(name);
  const length = head.readBigUInt64BE(8);
  const start = input.offset;
  const state = { record: 0 };
  const fail = (reason: string): never => {
    throw new ImageError(known[0], input.offset, state.record, reason);
  };
  const section: SectionReader = { input, state, fail, seen };
  try {
    SECTION_READERS[known[0]](store, section);
  } catch (error) {
    if (error instanceof ProtocolError) fail(error.message);
    throw error;
  }
  if (length !== UNKNOWN_LENGTH && BigInt(input.offset - start) !== length)
    fail(`section has ${length} bytes, its records ${input.offset - start}`);
}
