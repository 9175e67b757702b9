import type { MasterConfig } from '../config.js';
import type { StartMasterService } from '../context.js';
import { MetaloggerService } from './service.js';

const optionsOf = ({ matoml, changelogPreserveS }: MasterConfig) => ({
  listenHost: matoml.host,
  listenPort: matoml.port,
  preserveS: changelogPreserveS,
});

/** Starts port 9419 and lets it follow the changelog. */
export const startMetaloggers: StartMasterService = async ({
  services,
  config,
  configValue,
  folder,
  metadata,
  feed,
}) => {
  const service = new MetaloggerService(services, optionsOf(config()), {
    folder: folder.path,
    nextVersion: () => metadata.store.version,
    configValue,
  });
  await service.start();
  const unfollow = feed.follow({
    records: (batch) => {
      for (const { version, text } of batch) service.publish(version, text);
      service.flush();
      return service.taken();
    },
    rotated: () => service.rotated(),
  });
  return {
    reload: () => service.reload(optionsOf(config())),
    stop: async () => {
      unfollow();
      await service.stop();
    },
    describe: () => [`metaloggers: ${service.list().length}`],
  };
};
