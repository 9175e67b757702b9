/** The action `restore`: the folder is brought into the state of an orderly stop (spec 06 §9.7). */
import type { Services } from '@wapiti-fs/runtime';

import type { MasterConfig } from './config.js';
import { DataFolder, DataFolderError, restore, settleNames } from './storage/data-folder.js';
import { ImageSaver } from './storage/image-saver.js';

export async function restoreFolder(config: MasterConfig, { log, clock, random }: Services): Promise<void> {
  const folder = new DataFolder(config.dataPath);
  const { store } = restore(folder, log, clock, config.ignoreErrors);
  settleNames(folder, true, random);
  const images = new ImageSaver(folder, store, clock, log, 0);
  if (!(await images.saveInForeground()))
    throw new DataFolderError('metadata restore failed: the image cannot be stored');
  images.finish();
}
