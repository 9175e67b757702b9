import { createHash } from 'node:crypto';

import { MFS_ERROR_BADPASSWORD, MFS_ERROR_EACCES, MFS_ERROR_NOPASSWORD, SESFLAG_READONLY } from '@wapiti-fs/protocol';

import { type ExportRequest, parseExports, selectExport } from '../src/exports.js';

const users = { user: () => undefined, userById: () => ({ gid: 7 }), group: () => undefined };
const request: ExportRequest = {
  ip: 0x0a000005,
  version: 0x030075,
  meta: false,
  path: Buffer.alloc(0),
  random: undefined,
  passcode: undefined,
};
const md5 = (...parts: (Buffer | string)[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

describe('mfsexports.cfg', () => {
  it('reads networks and options; a wrong line is reported with its number and dropped', () => {
    const { entries, problems } = parseExports('* / rw,alldirs,maproot=0:0\n10.0.0.999 / rw\n10.0.0.0/8\n', users);
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ fromIp: 0, toIp: 0xffffffff, alldirs: true, rootUid: 0, rootGid: 0 });
    expect(problems.map((problem) => problem.slice(0, 7))).toEqual(['line 2:', 'line 3:']);
  });

  it('admits by address and path, and prefers a writable entry', () => {
    const { entries } = parseExports('10.0.0.0/24 / ro\n10.0.0.5 / rw\n10.1.0.0/16 /a rw,alldirs\n', users);
    const chosen = selectExport(entries, request);
    expect(typeof chosen === 'number' ? chosen : chosen.sesflags & SESFLAG_READONLY).toBe(0);
    expect(selectExport(entries, { ...request, ip: 0x0b000001 })).toBe(MFS_ERROR_EACCES);
    const inside = { ...request, ip: 0x0a010001 };
    expect(selectExport(entries, { ...inside, path: Buffer.from('a/b') })).toBe(entries[2]);
    expect(selectExport(entries, { ...inside, path: Buffer.from('ab') })).toBe(MFS_ERROR_EACCES);
  });

  it('tells a missing password from a wrong one', () => {
    const { entries } = parseExports('* / rw,password=secret\n', users);
    const random = Buffer.alloc(32, 9);
    const answer = (password: string): Buffer => md5(random.subarray(0, 16), md5(password), random.subarray(16));
    expect(selectExport(entries, request)).toBe(MFS_ERROR_NOPASSWORD);
    expect(selectExport(entries, { ...request, random, passcode: answer('other') })).toBe(MFS_ERROR_BADPASSWORD);
    expect(selectExport(entries, { ...request, random, passcode: answer('secret') })).toBe(entries[0]);
  });

  it('has the checksum of the reference (spec 12 §8.4)', () => {
    const two = '* / rw,alldirs,admin,maproot=0:0\n* . rw\n';
    expect(parseExports(two, users).checksum).toBe(0xffccfd8adefbe2den);
    expect(parseExports(`${two}10.99.0.0/16 /x ro\n`, users).checksum).toBe(0x6bb5b7363320d09cn);
  });
});
