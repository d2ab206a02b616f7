import { type Server, ServerSuffrage } from '../../raft/configuration.ts';

/** One line of the input, whose fields are checked as they are asked for. */
export class Request {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  get id(): unknown {
    const { id } = this.#fields;
    return id;
  }

  get op(): string {
    return this.text('op');
  }

  get timeout(): number {
    return this.number('timeout');
  }

  /** A string, empty when it is missing. */
  text(name: string): string {
    const value = this.#fields[name] ?? '';
    if (typeof value === 'string') return value;
    throw new Error(`expected a string called ${name}, got ${JSON.stringify(value)}`);
  }

  /** A number, 0 when it is missing. */
  number(name: string): number {
    const value = this.#fields[name] ?? 0;
    if (typeof value === 'number') return value;
    throw new Error(`expected a number called ${name}, got ${JSON.stringify(value)}`);
  }

  /** An object, empty when it is missing. */
  object(name: string): object {
    const value = this.#fields[name] ?? {};
    if (typeof value === 'object' && value !== null) return value;
    throw new Error(`expected an object called ${name}, got ${JSON.stringify(value)}`);
  }

  /** The bytes of a command. */
  command(): Uint8Array {
    const { cmd } = this.#fields;
    return commandBytes(cmd);
  }

  /** The bytes of every command. */
  commands(): Uint8Array[] {
    return this.#list('cmds').map(commandBytes);
  }

  /** The servers of a configuration. */
  servers(): Server[] {
    return this.#list('servers').map((given) => {
      if (typeof given !== 'object' || given === null) throw new Error('expected a server');
      const fields = new Request({ ...given });
      const suffrage = fields.text('suffrage') || 'Voter';
      if (suffrage !== 'Voter' && suffrage !== 'Nonvoter') {
        throw new Error(`suffrage must be Voter or Nonvoter, got "${suffrage}"`);
      }
      return {
        suffrage: ServerSuffrage[suffrage],
        id: fields.text('id'),
        address: fields.text('address'),
      };
    });
  }

  #list(name: string): unknown[] {
    const value = this.#fields[name] ?? [];
    if (Array.isArray(value)) return value;
    throw new Error(`expected a list called ${name}, got ${JSON.stringify(value)}`);
  }
}

function commandBytes(command: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(command) ?? '');
}
