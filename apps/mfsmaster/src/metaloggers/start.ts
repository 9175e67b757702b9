import type { MasterConfig } from '../config.js';
import type { StartMasterService } from '../context.js';
import { MetaloggerService, type MetaloggerServiceOptions } from './service.js';

const optionsOf = ({ matoml, changelogPreserveS }: MasterConfig): MetaloggerServiceOptions => ({
  listenHost: matoml.host,
  listenPort: matoml.port,
  preserveS: changelogPreserveS,
});

const services = new WeakMap<object, MetaloggerService>();

/** Port 9419 of a master. */
export const startMetaloggers: StartMasterService = async (context) => {
  const { feed, folder, metadata } = context;
  const service = new MetaloggerService(context.services, optionsOf(context.config()), {
    folder: folder.path,
    nextVersion: () => metadata.store.version,
    configValue: context.configValue,
  });
  const unfollow = feed.follow(service);
  await service.start();
  services.set(context, service);
  return {
    reload: () => service.reload(optionsOf(context.config())),
    stop: async () => {
      await service.stop();
      unfollow();
    },
    describe: () => [`metaloggers: ${service.list().length}`],
  };
};

/** The service of a master, once it was started. */
export function metaloggerService(context: object): MetaloggerService | undefined {
  return services.get(context);
}
