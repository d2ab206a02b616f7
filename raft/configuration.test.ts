import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConfigurationChangeCommand as Command,
  Configuration,
  type ConfigurationChange,
  checkConfiguration,
  configurationChangeCommandToString,
  formatConfiguration,
  hasVote,
  inConfiguration,
  nextConfiguration,
  quorumSize,
  type Server,
  ServerSuffrage,
  serverOf,
  serverSuffrageToString,
  votersOf,
} from './configuration.ts';
import { RaftError } from './errors.ts';

const { Voter, Nonvoter, Staging } = ServerSuffrage;

function server(id: string, suffrage: ServerSuffrage = Voter, address = `${id}:1`): Server {
  return { suffrage, id, address };
}

function configuration(...servers: Server[]): Configuration {
  return new Configuration(servers);
}

const voter1 = server('id1', Voter, 'addr1x');
const mixed = configuration(server('v'), server('n', Nonvoter), server('s', Staging));

function change(
  command: Command,
  id = 'id1',
  address = 'addr1',
  prevIndex = 0,
): ConfigurationChange {
  return { command, serverID: id, serverAddress: address, prevIndex };
}

describe('a configuration', () => {
  it('is cloned whole (test 79)', () => {
    const clone = mixed.clone();
    expect(clone).toEqual(mixed);
    expect(clone.servers).not.toBe(mixed.servers);
    expect(clone.servers[0]).not.toBe(mixed.servers[0]);
  });

  it('has votes of voters only (test 81)', () => {
    expect(['v', 'n', 's', 'unknown'].map((id) => hasVote(mixed, id))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(['v', 'n', 's', 'unknown'].map((id) => inConfiguration(mixed, id))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(votersOf(mixed).map(({ id }) => id)).toEqual(['v']);
    expect(serverOf(mixed, 'n')).toBe(mixed.servers[1]);
  });

  it.each([
    [0, 1],
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])('of %i voters needs %i of them', (voters, quorum) => {
    const servers = Array.from({ length: voters }, (_, i) => server(`v${i}`));
    expect(quorumSize(configuration(...servers, server('n', Nonvoter)))).toBe(quorum);
  });

  it('is printed as Go prints it', () => {
    expect(formatConfiguration(mixed)).toBe(
      '{Servers:[{Suffrage:Voter ID:v Address:v:1} {Suffrage:Nonvoter ID:n Address:n:1} ' +
        '{Suffrage:Staging ID:s Address:s:1}]}',
    );
    expect(formatConfiguration(configuration())).toBe('{Servers:[]}');
  });
});

describe('names', () => {
  it('are Go’s, and numbers without one get Go’s answer (S126)', () => {
    const suffrages: number[] = [0, 1, 2, 3];
    const named = suffrages.map((n) => serverSuffrageToString(n as ServerSuffrage));
    expect(named).toEqual(['Voter', 'Nonvoter', 'Staging', 'ServerSuffrage']);
    const commands: number[] = [0, 1, 2, 3, 4, 5];
    expect(commands.map((n) => configurationChangeCommandToString(n as Command))).toEqual([
      'AddVoter',
      'AddNonvoter',
      'DemoteVoter',
      'RemoveServer',
      'Promote',
      'ConfigurationChangeCommand',
    ]);
    expect(Command).toEqual({
      AddVoter: 0,
      AddNonvoter: 1,
      DemoteVoter: 2,
      RemoveServer: 3,
      Promote: 4,
      AddStaging: 0,
    });
    expect(ServerSuffrage).toEqual({ Voter: 0, Nonvoter: 1, Staging: 2 });
  });
});

describe('checkConfiguration', () => {
  it.each([
    ['nothing', [], /^need at least one voter in configuration: {Servers:\[\]}$/],
    ['nonvoters only', [server('n', Nonvoter)], /^need at least one voter/],
    ['no name', [server('')], /^empty ID in configuration: /],
    ['no address', [server('a', Voter, '')], /^empty address in configuration: /],
    [
      'a name twice',
      [server('a'), server('a', Nonvoter, 'x')],
      /^found duplicate ID in configuration: a$/,
    ],
    [
      'an address twice',
      [server('a'), server('b', Nonvoter, 'a:1')],
      /^found duplicate address in .*: a:1$/,
    ],
  ])('refuses %s (S128, test 82)', (_what, servers, message) => {
    const check = () => checkConfiguration(configuration(...servers));
    expect(check).toThrow(RaftError);
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_INVALID_CONFIGURATION' }));
  });

  it('is content with one voter and one nonvoter (test 82)', () => {
    expect(() =>
      checkConfiguration(configuration(server('a'), server('n', Nonvoter))),
    ).not.toThrow();
  });
});

describe('nextConfiguration', () => {
  const id1 = (suffrage: ServerSuffrage, address = 'addr1x') => server('id1', suffrage, address);
  const other = server('id2', Voter, 'addr2');

  it.each<[string, Command, Server[], Server[]]>([
    ['AddVoter: missing', Command.AddVoter, [], [id1(Voter, 'addr1')]],
    ['AddVoter: voter', Command.AddVoter, [voter1], [id1(Voter, 'addr1')]],
    ['AddVoter: staging', Command.AddVoter, [id1(Staging)], [id1(Voter, 'addr1')]],
    ['AddVoter: nonvoter', Command.AddVoter, [id1(Nonvoter)], [id1(Voter, 'addr1')]],
    ['AddVoter: missing among others', Command.AddVoter, [other], [other, id1(Voter, 'addr1')]],
    ['AddStaging: missing', Command.AddStaging, [], [id1(Voter, 'addr1')]],
    ['AddStaging: missing among others', Command.AddStaging, [other], [other, id1(Voter, 'addr1')]],
    ['AddStaging: voter', Command.AddStaging, [voter1], [id1(Voter, 'addr1')]],
    [
      'AddStaging: staging',
      Command.AddStaging,
      [id1(Staging), other],
      [id1(Voter, 'addr1'), other],
    ],
    [
      'AddStaging: nonvoter',
      Command.AddStaging,
      [id1(Nonvoter), other],
      [id1(Voter, 'addr1'), other],
    ],
    ['AddNonvoter: missing', Command.AddNonvoter, [other], [other, id1(Nonvoter, 'addr1')]],
    ['AddNonvoter: voter', Command.AddNonvoter, [voter1], [id1(Voter, 'addr1')]],
    [
      'AddNonvoter: staging',
      Command.AddNonvoter,
      [other, id1(Staging)],
      [other, id1(Staging, 'addr1')],
    ],
    [
      'AddNonvoter: nonvoter',
      Command.AddNonvoter,
      [other, id1(Nonvoter)],
      [other, id1(Nonvoter, 'addr1')],
    ],
    ['DemoteVoter: missing', Command.DemoteVoter, [other], [other]],
    ['DemoteVoter: voter', Command.DemoteVoter, [voter1, other], [id1(Nonvoter), other]],
    ['DemoteVoter: staging', Command.DemoteVoter, [id1(Staging), other], [id1(Nonvoter), other]],
    ['DemoteVoter: nonvoter', Command.DemoteVoter, [id1(Nonvoter), other], [id1(Nonvoter), other]],
    ['RemoveServer: missing', Command.RemoveServer, [other], [other]],
    ['RemoveServer: voter', Command.RemoveServer, [voter1, other], [other]],
    ['RemoveServer: staging', Command.RemoveServer, [id1(Staging), other], [other]],
    ['RemoveServer: nonvoter', Command.RemoveServer, [id1(Nonvoter), other], [other]],
    ['Promote: missing', Command.Promote, [other], [other]],
    ['Promote: voter', Command.Promote, [voter1], [voter1]],
    ['Promote: staging', Command.Promote, [id1(Staging)], [id1(Voter)]],
    ['Promote: nonvoter', Command.Promote, [id1(Nonvoter), other], [id1(Nonvoter), other]],
  ])('%s (S125, test 83)', (_what, command, before, after) => {
    const current = configuration(...before);
    const next = nextConfiguration(current, 1, change(command));
    expect(next.servers).toEqual(after);
    expect(current.servers).toEqual(before);
  });

  it('rests on the index it was told (S127, test 84)', () => {
    const add = (prevIndex: number) => () =>
      nextConfiguration(
        configuration(other),
        2,
        change(Command.AddVoter, 'id1', 'addr1', prevIndex),
      );
    expect(add(1)).toThrow('configuration changed since 1 (latest is 2)');
    expect(add(1)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION_CHANGED' }));
    expect(add(2)().servers).toHaveLength(2);
    expect(add(0)().servers).toHaveLength(2);
  });

  it('leaves no malformed configuration (S128, test 85)', () => {
    const next =
      (command: Command, ...servers: Server[]) =>
      () =>
        nextConfiguration(configuration(...servers), 1, change(command));
    expect(next(Command.AddNonvoter)).toThrow(/at least one voter/);
    expect(next(Command.RemoveServer, voter1)).toThrow(/at least one voter/);
    expect(next(Command.DemoteVoter, voter1)).toThrow(/at least one voter/);
    expect(next(Command.AddVoter, server('id2', Voter, 'addr1'))).toThrow(/duplicate address/);
  });

  it('of any configuration differs by one server at most, so that majorities overlap', () => {
    const suffrage = fc.constantFrom(Voter, Nonvoter, Staging);
    const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
    const servers = ids.chain((names) =>
      fc.tuple(...names.map((id) => suffrage.map((s) => server(id, s)))),
    );
    const command = fc.constantFrom(0, 1, 2, 3, 4) as fc.Arbitrary<Command>;
    const touched = fc.constantFrom('a', 'b', 'f');
    const run = (before: Server[], what: Command, id: string) => {
      const current = configuration(...before);
      let next: Configuration;
      try {
        next = nextConfiguration(current, 1, change(what, id, `${id}:1`));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INVALID_CONFIGURATION' });
        return;
      }
      checkConfiguration(next);
      const others = (from: Configuration) => from.servers.filter((s) => s.id !== id);
      expect(others(next)).toEqual(others(current));
      const voters = (from: Configuration) => new Set(votersOf(from).map((s) => s.id));
      const changed = [...voters(next)].filter((v) => !voters(current).has(v)).length;
      const lost = [...voters(current)].filter((v) => !voters(next).has(v)).length;
      expect(changed + lost).toBeLessThanOrEqual(1);
      const all = new Set([...voters(next), ...voters(current)]);
      if (voters(current).size > 0) {
        expect(quorumSize(next) + quorumSize(current)).toBeGreaterThan(all.size);
      }
    };
    fc.assert(fc.property(servers, command, touched, run), { numRuns: 300 });
  });
});
