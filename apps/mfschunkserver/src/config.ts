/** Configuration of the chunkserver: keys of spec 12 §3, §5. */
export interface ChunkserverConfig {
  readonly dataPath: string;
  /** Text of `mfshdd.cfg`, or where it lies. */
  readonly hddConfFilename: string;
  /** Given instead of the file by embedders. */
  readonly hddLines?: readonly string[] | undefined;
  readonly leaveSpaceDefaultBytes: number;
  readonly errorToleranceCount: number;
  readonly errorTolerancePeriodS: number;
  readonly fsyncBeforeClose: boolean;
  readonly sparsifyOnWrite: boolean;
  readonly rrChunkCount: number;
  readonly keepDuplicatesHours: number;
  readonly allowStartingWithInvalidDisks: boolean;
  readonly workersMax: number;
  readonly labels: string;
  readonly bindHost: string;
  readonly masterHost: string;
  readonly masterPort: number;
  /** Seconds; 0: the value the master tells. */
  readonly masterTimeoutS: number;
  readonly masterReconnectionDelayS: number;
  readonly authCode: string | undefined;
  readonly chunksPerRegisterPacket: number;
  readonly listenHost: string;
  readonly listenPort: number;
  /** Values as written in the file, for ANTOAN_GET_CONFIG. */
  readonly raw?: Readonly<Record<string, string>> | undefined;
}

export const DEFAULT_CONFIG: Omit<ChunkserverConfig, 'dataPath'> = {
  hddConfFilename: '/etc/mfs/mfshdd.cfg',
  leaveSpaceDefaultBytes: 256 * 1024 * 1024,
  errorToleranceCount: 2,
  errorTolerancePeriodS: 600,
  fsyncBeforeClose: false,
  sparsifyOnWrite: true,
  rrChunkCount: 10_000,
  keepDuplicatesHours: 168,
  allowStartingWithInvalidDisks: false,
  workersMax: 250,
  labels: '',
  bindHost: '*',
  masterHost: 'mfsmaster',
  masterPort: 9420,
  masterTimeoutS: 0,
  masterReconnectionDelayS: 5,
  authCode: undefined,
  chunksPerRegisterPacket: 10_000,
  listenHost: '*',
  listenPort: 9422,
};

/** Label letters as a mask, bit 0 = A; what else stands there is returned for the log (spec 03 §8.1). */
export function parseLabels(text: string): { mask: number; bad: string[] } {
  let mask = 0;
  const bad: string[] = [];
  for (const one of text.split(/[,;]/).map((part) => part.trim())) {
    if (/^[A-Za-z]$/.test(one)) mask |= 1 << (one.toUpperCase().charCodeAt(0) - 65);
    else if (one !== '') bad.push(one);
  }
  return { mask: mask >>> 0, bad };
}
