import { type Change, Metadata, MetadataStore } from '@wapiti-fs/metadata';

import { ServerDatabase } from '../../src/chunkservers/server-database.js';

const DAY_S = 86_400;

/** Spec 03 §7. */
describe('list of known chunkservers', () => {
  let now: number;
  let changes: string[];
  let database: ServerDatabase;
  const nobody = (): boolean => false;
  const everybody = (): boolean => true;

  beforeEach(() => {
    now = 1000;
    changes = [];
    const journal = (_: number, change: Change): void => {
      if (change.op === 'CSDBOP') changes.push(`${change.operation},${change.ip},${change.port},${change.argument}`);
    };
    database = new ServerDatabase(new Metadata(MetadataStore.empty(0), journal), () => now);
  });

  it('gives the lowest free id to a new server, and the one it asks for if that is free', () => {
    expect(database.register(1, 9422, 0, nobody)).toBe(1);
    expect(database.register(2, 9422, 7, nobody)).toBe(7);
    expect(database.register(3, 9422, 0, nobody)).toBe(2);
    expect(changes).toEqual(['0,1,9422,0', '3,1,9422,1', '0,2,9422,7', '0,3,9422,0', '3,3,9422,2']);
  });

  it('knows a server by its address first, then by its id', () => {
    database.register(1, 9422, 0, nobody);
    expect(database.register(1, 9422, 55, nobody)).toBe(1);
    expect(database.register(9, 9422, 1, nobody)).toBe(1);
    expect(changes.at(-1)).toBe('2,9,9422,1');
    expect(database.count).toBe(1);
  });

  it('refuses the identity of a connected server', () => {
    database.register(1, 9422, 0, nobody);
    expect(database.register(1, 9422, 1, everybody)).toBeUndefined();
    expect(database.register(1, 9422, 0, everybody)).toBeUndefined();
  });

  it('forgets a server that does not come back', () => {
    database.register(1, 9422, 0, nobody);
    database.register(2, 9422, 0, nobody);
    const firstOnly = (csid: number): boolean => csid === 1;
    database.removeUnused(7, everybody);
    now += 7 * DAY_S;
    database.removeUnused(7, firstOnly);
    expect(database.count).toBe(2);
    now += 1;
    database.removeUnused(0, firstOnly);
    expect(database.count).toBe(2);
    database.removeUnused(7, firstOnly);
    expect(database.entries().map(({ csid }) => csid)).toEqual([1]);
    expect(changes.at(-1)).toBe('1,2,9422,0');
  });

  it('ends maintenance in time', () => {
    database.register(1, 9422, 0, nobody);
    database.setMaintenance(1, 9422, true, now + 10);
    database.expireMaintenance();
    expect(database.find(1, 9422)?.maintenance).toBe(1);
    now += 11;
    database.expireMaintenance();
    expect(database.find(1, 9422)?.maintenance).toBe(0);
  });
});
