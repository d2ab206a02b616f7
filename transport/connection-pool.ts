import type { ServerAddress } from '../raft/configuration.ts';
import type { ClientConnection } from './client-connection.ts';

/**
 * Idle connections by address, the one used last first. One that breaks while idle leaves at once,
 * so that a peer that restarted costs no failed call.
 */
export class ConnectionPool {
  readonly #idle = new Map<ServerAddress, ClientConnection[]>();
  readonly #maxPerTarget: number;

  /** @param maxPerTarget connections kept for one address; 0 keeps none */
  constructor(maxPerTarget: number) {
    this.#maxPerTarget = maxPerTarget;
  }

  /** Idle connections to `target`. */
  idleCount(target: ServerAddress): number {
    return this.#idle.get(target)?.length ?? 0;
  }

  /** Takes the connection to `target` that was returned last. */
  take(target: ServerAddress): ClientConnection | undefined {
    const idle = this.#idle.get(target);
    const connection = idle?.pop();
    if (idle?.length === 0) this.#idle.delete(target);
    return connection;
  }

  /** Keeps a connection that nobody uses; false when there is no room or it is broken. */
  put(connection: ClientConnection): boolean {
    const idle = this.#idle.get(connection.target) ?? [];
    if (connection.failure !== null || idle.length >= this.#maxPerTarget) return false;
    idle.push(connection);
    this.#idle.set(connection.target, idle);
    return true;
  }

  /** Forgets a connection, should it be here. */
  forget(connection: ClientConnection): void {
    const idle = this.#idle.get(connection.target);
    const at = idle?.indexOf(connection) ?? -1;
    if (idle === undefined || at < 0) return;
    idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(connection.target);
  }

  /** Empties the pool. */
  takeAll(): ClientConnection[] {
    const all = [...this.#idle.values()].flat();
    this.#idle.clear();
    return all;
  }
}
