import { setImmediate as nextTurn } from 'node:timers/promises';
import { asError } from '../../raft/errors.ts';
import type { FSM, FSMSnapshot } from '../../raft/fsm.ts';
import type { Log } from '../../raft/log.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';
import { type Command, decodeCommand } from './commands.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot-format.ts';
import { newKvState, type StatePicture } from './state.ts';

/** What applying a command gives: how many of its keys were there before. */
export interface Applied {
  readonly existed: number;
}

/** True for the answer of a command that was understood. */
export function isApplied(response: unknown): response is Applied {
  return typeof response === 'object' && response !== null && 'existed' in response;
}

/** A key-value store as a replicated state machine. */
export class KvFsm implements FSM {
  #state = newKvState(0);
  #restores = 0;

  /** Index of the last command that is in the state. */
  get index(): number {
    return this.#state.index;
  }

  /** Number of records. */
  get size(): number {
    return this.#state.size;
  }

  /** Equal on two nodes exactly when their records and members are; see `StateHash`. */
  get hash(): string {
    return this.#state.hash;
  }

  /** HTTP addresses by member id. */
  get members(): ReadonlyMap<string, string> {
    return this.#state.members;
  }

  /** How often the state was replaced by a snapshot since the process started. */
  get restores(): number {
    return this.#restores;
  }

  /** The value of a key; it must not be changed. */
  get(key: string): Uint8Array | undefined {
    return this.#state.get(key);
  }

  /** The state as it is now, for reading at leisure. Release it. */
  picture(): StatePicture {
    return this.#state.picture();
  }

  /** Applies one command. What cannot be read changes nothing and is answered by the error. */
  apply(log: Log): Applied | Error {
    this.#state.index = log.index;
    let command: Command;
    try {
      command = decodeCommand(log.data ?? new Uint8Array());
    } catch (error) {
      return asError(error);
    }
    return { existed: this.#run(command) };
  }

  snapshot(): FSMSnapshot {
    const picture = this.#state.picture();
    return {
      persist: (sink) => persist(picture, sink),
      release: () => picture.release(),
    };
  }

  /** Replaces the state, in one step at the end: a snapshot that is damaged changes nothing. */
  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    this.#state = await decodeSnapshot(reader);
    this.#restores += 1;
  }

  #run(command: Command): number {
    const state = this.#state;
    switch (command.op) {
      case 'set':
        return Number(state.set(command.key, command.value));
      case 'delete':
        return Number(state.delete(command.key));
      case 'batch':
        return command.commands.reduce((existed, change) => existed + this.#run(change), 0);
      case 'member':
        return Number(state.setMember(command.id, command.http));
    }
  }
}

async function persist(picture: StatePicture, sink: SnapshotSink): Promise<void> {
  for (const slice of encodeSnapshot(picture)) {
    await sink.write(slice);
    // A sink may answer without a turn of the event loop, and then nothing else would run.
    await nextTurn();
  }
}
