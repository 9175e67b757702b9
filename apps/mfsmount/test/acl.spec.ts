import { FuseError } from '@wapiti-fs/fuse';
import fc from 'fast-check';

import { aclTypeOfName, decodeAclXattr, encodeAclXattr } from '../src/fs/acl.js';

/** As read from a mount of the reference (spec 13 §4.9). */
const VALUE = Buffer.from(
  '0200000001000600ffffffff02000700e803000004000400ffffffff080005006400000010000700ffffffff20000400ffffffff',
  'hex',
);
const ACL = {
  userPerm: 6,
  groupPerm: 4,
  otherPerm: 4,
  mask: 7,
  namedUsers: [{ id: 1000, perm: 7 }],
  namedGroups: [{ id: 100, perm: 5 }],
};

describe('ACLs as extended attributes', () => {
  it('are read and written as the reference does', () => {
    expect(decodeAclXattr(VALUE)).toEqual(ACL);
    expect(encodeAclXattr(ACL)).toEqual(VALUE);
  });

  it('are known by their names', () => {
    expect(aclTypeOfName(Buffer.from('system.posix_acl_access'))).toBe(1);
    expect(aclTypeOfName(Buffer.from('system.posix_acl_default'))).toBe(2);
    expect(aclTypeOfName(Buffer.from('user.acl'))).toBeUndefined();
  });

  it.each([
    ['another version', '03000000'],
    ['half an entry', '0200000001000600'],
    ['a permission above 7', '0200000001000800ffffffff'],
    ['an unknown tag', '0200000003000600ffffffff'],
    ['an entry given twice', '0200000001000600ffffffff01000600ffffffff'],
    ['a named user without mask', '0200000001000600ffffffff02000700e8030000'],
  ])('refuse %s', (_, hex) => {
    expect(() => decodeAclXattr(Buffer.from(hex, 'hex'))).toThrow(FuseError);
  });

  it('never do anything but refuse bytes that are no ACL', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeAclXattr(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FuseError);
        }
      }),
    );
  });
});
