import { ANTOAN_NOP } from '@wapiti-fs/protocol';

import type { ConnectionHandlers, FramedConnection, KeepaliveRules } from './connection.js';

/**
 * A connection whose user changes: a session, the cache, the next session. Without a user it is kept for the next one, and closed by
 * anything but a NOP.
 */
export class BorrowedConnection {
  private user: ConnectionHandlers | undefined;
  private gone = false;

  /** `lost`: it was closed while it had no user. */
  constructor(
    readonly connection: FramedConnection,
    lost: () => void,
  ) {
    connection.setHandlers({
      frame: (frame) => {
        if (this.user !== undefined) this.user.frame(frame);
        else if (frame.type !== ANTOAN_NOP.type) connection.destroy();
      },
      drain: () => this.user?.drain?.(),
      close: (error) => {
        this.gone = true;
        const { user } = this;
        this.user = undefined;
        if (user === undefined) lost();
        else user.close(error);
      },
    });
  }

  /** It has been closed, and whoever had to know was told. */
  get closed(): boolean {
    return this.gone;
  }

  /** From now on all that happens is the user's. */
  lend(user: ConnectionHandlers, rules: KeepaliveRules): void {
    this.user = user;
    this.connection.setKeepalive(rules);
  }

  /** The user has finished in order. */
  takeBack(rules: KeepaliveRules): void {
    this.user = undefined;
    this.connection.setKeepalive(rules);
  }

  /** Closes at once; the user hears nothing more. */
  destroy(): void {
    this.user = undefined;
    this.connection.destroy();
  }
}
