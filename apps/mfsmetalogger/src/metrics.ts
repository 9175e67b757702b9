import type { Services } from '@wapiti-fs/runtime';

/** What the metrics are read from. */
export interface MetaloggerState {
  following(): boolean;
  refused(): boolean;
  restorable(): boolean;
  version(): number;
  imageVersion(): number;
  unwrittenBytes(): number;
  delayS(): number;
  lastDownload(): { readonly atMs: number; readonly sizeBytes: number } | undefined;
}

export function registerMetrics({ metrics }: Services, state: MetaloggerState): void {
  if (metrics === undefined) return;
  const gauge = (name: string, help: string, value: () => number): void => {
    metrics.gauge(`metalogger_${name}`, help, [], (one) => one.set(value()));
  };
  gauge('following', '1 while the changes of a master are being received.', () => Number(state.following()));
  gauge('master_refused', '1 while the master is refused: another file system or history.', () =>
    Number(state.refused()),
  );
  gauge('copy_complete', '1 if image and changes together make a complete copy.', () => Number(state.restorable()));
  gauge('version', 'Number of the last change held in a file.', state.version);
  gauge('image_version', 'Version of the image held.', state.imageVersion);
  gauge('unwritten_bytes', 'Changes received and not yet written.', state.unwrittenBytes);
  gauge('lag_seconds', 'Age of the last change when it came, in whole seconds of the master.', state.delayS);
  gauge(
    'last_download_timestamp_seconds',
    'When image and changelogs were downloaded last; 0: not yet.',
    () => (state.lastDownload()?.atMs ?? 0) / 1000,
  );
  gauge('last_download_bytes', 'Size of the image downloaded last.', () => state.lastDownload()?.sizeBytes ?? 0);
}
