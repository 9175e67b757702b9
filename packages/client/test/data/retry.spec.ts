import {
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_ENOENT,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_NOTDONE,
  MFS_ERROR_QUOTA,
  ProtocolError,
} from '@wapiti-fs/protocol';

import { Retry } from '../../src/data/retry';
import { StatusError } from './cluster';

const LIMITS = { outageLimitMs: Infinity, refusalLimitMs: 100_000, noSpaceLimitMs: 5000 };
const lost = new Error('connection lost');

/** Lets time pass by the waits that are told, until it gives up. */
function giveUp(retry: Retry, status: number): { code: string; afterMs: number } {
  for (let nowMs = 0; ;) {
    try {
      nowMs += retry.afterMaster(new StatusError(status), nowMs);
    } catch (error) {
      return { code: (error as { code: string }).code, afterMs: nowMs };
    }
  }
}

describe('Retry', () => {
  test('statuses that no second try changes', () => {
    for (const [status, code] of [
      [MFS_ERROR_ENOENT, 'EBADF'],
      [MFS_ERROR_QUOTA, 'EDQUOT'],
    ] as const)
      expect(giveUp(new Retry(LIMITS, 'test'), status)).toEqual({ code, afterMs: 0 });
  });

  test('statuses that are given time', () => {
    for (const [status, code, limitMs] of [
      [MFS_ERROR_NOSPACE, 'ENOSPC', 5000],
      [MFS_ERROR_NOCHUNKSERVERS, 'ENOSPC', 100_000],
      [MFS_ERROR_CHUNKLOST, 'ENXIO', 100_000],
    ] as const) {
      const end = giveUp(new Retry(LIMITS, 'test'), status);
      expect(end.code).toBe(code);
      expect(end.afterMs).toBeGreaterThanOrEqual(limitMs);
      expect(end.afterMs).toBeLessThanOrEqual(limitMs + 2000);
    }
  });

  test('locked chunks and masters that start are asked again for ever, quickly at first', () => {
    for (const status of [MFS_ERROR_LOCKED, MFS_ERROR_EAGAIN]) {
      const retry = new Retry(LIMITS, 'test');
      const waits = Array.from({ length: 9 }, (_, i) => retry.afterMaster(new StatusError(status), i * 1_000_000));
      expect(waits).toEqual([1, 1, 1, 100, 100, 100, 100, 500, 500]);
    }
  });

  test('an outage has no end by default, and one that is configured', () => {
    const forever = new Retry(LIMITS, 'test');
    for (let i = 0; i < 100; i++) expect(forever.afterOutage(lost, i * 1_000_000)).toBeLessThanOrEqual(2000);
    const limited = new Retry({ ...LIMITS, outageLimitMs: 10_000 }, 'test');
    limited.afterOutage(lost, 0);
    limited.afterOutage(lost, 9999);
    expect(() => limited.afterOutage(lost, 10_000)).toThrow(expect.objectContaining({ code: 'EIO' }));
  });

  test('answers that make no sense have an end, a broken connection has none', () => {
    const retry = new Retry(LIMITS, 'test');
    const nonsense = new ProtocolError('wrong checksum');
    for (let nowMs = 0; nowMs < 1_000_000; nowMs += 10_000) retry.afterServer(lost, undefined, nowMs);
    for (let nowMs = 1_000_000; nowMs < 1_100_000; nowMs += 1000) retry.afterServer(nonsense, undefined, nowMs);
    expect(() => retry.afterServer(nonsense, undefined, 1_100_000)).toThrow('EIO: test: wrong checksum');
  });

  test('the time in which a request waits for a master to come back is not one of refusals', () => {
    const retry = new Retry(LIMITS, 'test');
    retry.afterMaster(new StatusError(MFS_ERROR_NOCHUNKSERVERS), 0);
    retry.afterMaster(new StatusError(MFS_ERROR_NOCHUNKSERVERS), 3_600_000);
  });

  test('a success in between begins everything anew', () => {
    const retry = new Retry({ ...LIMITS, outageLimitMs: 10_000 }, 'test');
    retry.afterOutage(lost, 0);
    retry.afterServer(lost, MFS_ERROR_NOTDONE, 5000);
    retry.reset();
    expect(retry.afterOutage(lost, 20_000)).toBe(1);
  });
});
