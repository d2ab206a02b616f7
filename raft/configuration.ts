import { RaftError } from './errors.ts';

/**
 * Whether a server counts for elections and commitment (thesis 4.2.1). The numbers are Go's and are
 * stored in logs. Go: `ServerSuffrage`.
 */
export const ServerSuffrage = Object.freeze({
  /** Counts for elections and commitment. */
  Voter: 0,
  /** Receives the log and counts for nothing. */
  Nonvoter: 1,
  /** Deprecated; treated as a nonvoter. */
  Staging: 2,
} as const);
/** One of the numbers of {@link ServerSuffrage}. Go: `ServerSuffrage`. */
export type ServerSuffrage = (typeof ServerSuffrage)[keyof typeof ServerSuffrage];

const suffrageNames = ['Voter', 'Nonvoter', 'Staging'] as const;

/** A suffrage by its name: "Voter", "Nonvoter" or "Staging". Go: `ServerSuffrage.String`. */
export function serverSuffrageToString(suffrage: ServerSuffrage): string {
  return suffrageNames[suffrage] ?? 'ServerSuffrage';
}

/** A name that a server keeps for ever. Go: `ServerID`. */
export type ServerID = string;
/** Where a transport reaches a server. Go: `ServerAddress`. */
export type ServerAddress = string;

/** One server of a configuration. Go: `Server`. */
export interface Server {
  /** Whether it counts for elections and commitment. */
  readonly suffrage: ServerSuffrage;
  /** Its name; unique in a configuration, not empty. */
  readonly id: ServerID;
  /** Where it is reached; unique in a configuration, not empty. */
  readonly address: ServerAddress;
}

/** The servers of a cluster, in a fixed order (§6). Never changed in place. Go: `Configuration`. */
export class Configuration {
  /** The servers; the order decides between equals and survives every encoding. */
  readonly servers: readonly Server[];

  /** @param servers kept, not copied; none by default */
  constructor(servers: readonly Server[] = []) {
    this.servers = servers;
  }

  /** A deep copy: changing one changes nothing in the other. Go: `Configuration.Clone`. */
  clone(): Configuration {
    return new Configuration(this.servers.map((server) => ({ ...server })));
  }
}

/**
 * How a configuration is to change (§6). The numbers are Go's. Go: `ConfigurationChangeCommand`.
 */
export const ConfigurationChangeCommand = Object.freeze({
  /** Adds a voter, makes a nonvoter one, or gives a voter a new address. */
  AddVoter: 0,
  /** Adds a nonvoter, or gives any server a new address; a voter stays one. */
  AddNonvoter: 1,
  /** Makes a server a nonvoter; one that is not there stays away. */
  DemoteVoter: 2,
  /** Takes a server out; one that is not there is no error. */
  RemoveServer: 3,
  /** Makes a staging server a voter; changes no other. */
  Promote: 4,
  /** Deprecated name of AddVoter. */
  AddStaging: 0,
} as const);
/** One of the numbers of {@link ConfigurationChangeCommand}. Go: `ConfigurationChangeCommand`. */
export type ConfigurationChangeCommand =
  (typeof ConfigurationChangeCommand)[keyof typeof ConfigurationChangeCommand];

const commandNames = ['AddVoter', 'AddNonvoter', 'DemoteVoter', 'RemoveServer', 'Promote'] as const;

/** A change by its name, such as "AddVoter". Go: `ConfigurationChangeCommand.String`. */
export function configurationChangeCommandToString(command: ConfigurationChangeCommand): string {
  return commandNames[command] ?? 'ConfigurationChangeCommand';
}

/** A wish to change the configuration. Go: `configurationChangeRequest`. */
export interface ConfigurationChange {
  readonly command: ConfigurationChangeCommand;
  readonly serverID: ServerID;
  /** Only for AddVoter and AddNonvoter. */
  readonly serverAddress: ServerAddress;
  /** When above 0, the change is refused unless the latest configuration has this index. */
  readonly prevIndex: number;
}

/** The server called `id`, if it is in the configuration. */
export function serverOf(configuration: Configuration, id: ServerID): Server | undefined {
  return configuration.servers.find((server) => server.id === id);
}

/** True when the configuration has the server as a voter. */
export function hasVote(configuration: Configuration, id: ServerID): boolean {
  return serverOf(configuration, id)?.suffrage === ServerSuffrage.Voter;
}

/** True when the configuration has the server at all. */
export function inConfiguration(configuration: Configuration, id: ServerID): boolean {
  return serverOf(configuration, id) !== undefined;
}

/** The servers that count. */
export function votersOf(configuration: Configuration): Server[] {
  return configuration.servers.filter((server) => server.suffrage === ServerSuffrage.Voter);
}

/** How many voters make a majority. */
export function quorumSize(configuration: Configuration): number {
  return Math.floor(votersOf(configuration).length / 2) + 1;
}

function invalid(text: string, configuration: Configuration): RaftError {
  return new RaftError(
    'ERR_INVALID_CONFIGURATION',
    `${text}: ${formatConfiguration(configuration)}`,
  );
}

/** Throws when a configuration is malformed. Go: `checkConfiguration`. */
export function checkConfiguration(configuration: Configuration): void {
  const ids = new Set<ServerID>();
  const addresses = new Set<ServerAddress>();
  let voters = 0;
  for (const { id, address, suffrage } of configuration.servers) {
    if (id === '') throw invalid('empty ID in configuration', configuration);
    if (address === '') throw invalid('empty address in configuration', configuration);
    if (ids.has(id)) {
      throw new RaftError(
        'ERR_INVALID_CONFIGURATION',
        `found duplicate ID in configuration: ${id}`,
      );
    }
    ids.add(id);
    if (addresses.has(address)) {
      throw new RaftError(
        'ERR_INVALID_CONFIGURATION',
        `found duplicate address in configuration: ${address}`,
      );
    }
    addresses.add(address);
    if (suffrage === ServerSuffrage.Voter) voters += 1;
  }
  if (voters === 0) throw invalid('need at least one voter in configuration', configuration);
}

/** What becomes of one server's entry, or of its absence. */
function changedServers(servers: readonly Server[], change: ConfigurationChange): Server[] {
  const { command, serverID: id, serverAddress: address } = change;
  const next = servers.map((server) => ({ ...server }));
  const at = next.findIndex((server) => server.id === id);
  const found = next[at];
  switch (command) {
    case ConfigurationChangeCommand.AddVoter:
      if (found === undefined) next.push({ suffrage: ServerSuffrage.Voter, id, address });
      else next[at] = { suffrage: ServerSuffrage.Voter, id, address };
      break;
    case ConfigurationChangeCommand.AddNonvoter:
      if (found === undefined) next.push({ suffrage: ServerSuffrage.Nonvoter, id, address });
      else next[at] = { ...found, address };
      break;
    case ConfigurationChangeCommand.DemoteVoter:
      if (found !== undefined) next[at] = { ...found, suffrage: ServerSuffrage.Nonvoter };
      break;
    case ConfigurationChangeCommand.RemoveServer:
      if (found !== undefined) next.splice(at, 1);
      break;
    case ConfigurationChangeCommand.Promote:
      if (found?.suffrage === ServerSuffrage.Staging) {
        next[at] = { ...found, suffrage: ServerSuffrage.Voter };
      }
      break;
  }
  return next;
}

/**
 * The configuration after a change; throws when the change rests on an outdated one or would leave
 * a malformed one. A change that changes nothing is fine, as in Go. Go: `nextConfiguration`.
 */
export function nextConfiguration(
  current: Configuration,
  currentIndex: number,
  change: ConfigurationChange,
): Configuration {
  if (change.prevIndex > 0 && change.prevIndex !== currentIndex) {
    throw new RaftError(
      'ERR_CONFIGURATION_CHANGED',
      `configuration changed since ${change.prevIndex} (latest is ${currentIndex})`,
    );
  }
  const next = new Configuration(changedServers(current.servers, change));
  checkConfiguration(next);
  return next;
}

/** Servers as Go's `%+v` prints them: `[{Suffrage:Voter ID:a Address:b} …]`. */
export function formatServers(servers: readonly Server[]): string {
  const inside = servers.map(
    ({ suffrage, id, address }) =>
      `{Suffrage:${serverSuffrageToString(suffrage)} ID:${id} Address:${address}}`,
  );
  return `[${inside.join(' ')}]`;
}

/** A configuration as Go's `%+v` prints it. */
export function formatConfiguration(configuration: Configuration): string {
  return `{Servers:${formatServers(configuration.servers)}}`;
}
