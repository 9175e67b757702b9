/** A client's connection as the session table knows it: only its identity counts. */
export interface ClientConnection {
  /** Address for the log. */
  readonly name: string;
}
