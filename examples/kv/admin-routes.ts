import type { FastifyInstance } from 'fastify';
import { type Configuration, serverOf, serverSuffrageToString } from '../../raft/configuration.ts';
import { asError, ErrNothingNewToSnapshot } from '../../raft/errors.ts';
import { raftStateToString } from '../../raft/state.ts';
import { isMemberID, parseHostPort } from './addresses.ts';
import { parseJsonObject } from './batch.ts';
import { badRequest, fromRaftError, HttpError } from './http-errors.ts';
import { asLeader, notLeader, propose, type Service } from './service.ts';

const MAX_BODY_BYTES = 16 * 1024;

const MEMBER_EXPECTED =
  'expected {"id":name,"raft":"host:port","http":"host:port"} with an optional "voter":boolean';
const TRANSFER_EXPECTED = 'expected nothing or {"id":name}';

interface Member {
  readonly id: string;
  readonly raft: string;
  readonly http: string;
  readonly voter: boolean;
}

function bodyOf(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && parseHostPort(value) !== undefined;
}

function memberOf(body: unknown): Member {
  const fields = parseJsonObject(bodyOf(body), MEMBER_EXPECTED);
  const { id, raft, http, voter = true } = fields;
  if (isMemberID(id) && isAddress(raft) && isAddress(http) && typeof voter === 'boolean') {
    return { id, raft, http, voter };
  }
  throw badRequest(`${MEMBER_EXPECTED}, got ${JSON.stringify(fields)}`);
}

/**
 * A voter that does not exist counts all the same, and a mistyped address could cost the cluster
 * its majority: so the node must be up, and be who the caller says.
 */
async function checkNewcomer(service: Service, member: Member): Promise<void> {
  const { id, raft, http } = member;
  const expected = `expected node "${id}" with raft address ${raft} at http://${http}`;
  let found: { readonly id: string; readonly raft: string };
  try {
    found = await service.probe(http);
  } catch (error) {
    throw badRequest(`${expected}, got no answer: ${asError(error).message}`);
  }
  if (found.id === id && found.raft === raft) return;
  throw badRequest(`${expected}, got node "${found.id}" with raft address ${found.raft}`);
}

async function latestConfiguration(service: Service): Promise<Configuration> {
  return await service.raft.getConfiguration();
}

/** The server called `id`; a 404 that names the ones there are when there is none. */
async function knownServer(service: Service, id: string) {
  const configuration = await latestConfiguration(service);
  const server = serverOf(configuration, id);
  if (server !== undefined) return server;
  const ids = configuration.servers.map((other) => other.id).join(', ');
  throw new HttpError(404, `no member is called "${id}"; expected one of: ${ids}`);
}

async function status(service: Service): Promise<Record<string, unknown>> {
  const { raft, fsm } = service;
  const { servers } = await latestConfiguration(service);
  const leader = raft.leaderWithID();
  return {
    id: service.id,
    raft: service.raftAddress,
    http: service.http,
    state: raftStateToString(raft.state()),
    term: raft.currentTerm(),
    leader:
      leader.id === ''
        ? null
        : { id: leader.id, raft: leader.address, http: fsm.members.get(leader.id) ?? null },
    appliedIndex: raft.appliedIndex(),
    commitIndex: raft.commitIndex(),
    lastIndex: raft.lastIndex(),
    records: fsm.size,
    hash: fsm.hash,
    lastCommandIndex: fsm.index,
    snapshotsInstalled: fsm.restores - service.restoresAtStart,
    configuration: servers.map(({ id, address, suffrage }) => ({
      id,
      raft: address,
      http: fsm.members.get(id) ?? null,
      suffrage: serverSuffrageToString(suffrage),
    })),
    stats: raft.stats(),
    fatal: raft.fatal?.message ?? null,
  };
}

async function addMember(service: Service, url: string, member: Member): Promise<object> {
  const { raft } = service;
  // A follower redirects before it asks around.
  await asLeader(service, url, 'read', raft.verifyLeader());
  await checkNewcomer(service, member);
  const add = member.voter ? raft.addVoter : raft.addNonvoter;
  const added = add.call(raft, member.id, member.raft, 0, service.enqueueTimeoutMs);
  await asLeader(service, url, 'change', added);
  const { id, http } = member;
  const { index } = await propose(service, url, { op: 'member', id, http });
  return { index, ...member };
}

async function removeMember(service: Service, url: string, id: string): Promise<object> {
  await asLeader(service, url, 'read', service.raft.verifyLeader());
  await knownServer(service, id);
  // First, because a leader that removes itself proposes nothing more. Should the removal fail, the
  // address comes back when it is needed: every new leader publishes its own.
  await propose(service, url, { op: 'member', id, http: null });
  const removed = service.raft.removeServer(id, 0, service.enqueueTimeoutMs);
  await asLeader(service, url, 'change', removed);
  return { removed: id };
}

async function takeSnapshot(service: Service): Promise<object> {
  const error = await service.raft.snapshot().error();
  if (error === ErrNothingNewToSnapshot) return { taken: false, reason: error.message };
  if (error !== null) throw fromRaftError(error);
  const { last_snapshot_index: index } = service.raft.stats();
  return { taken: true, index: Number(index) };
}

async function transfer(service: Service, url: string, body: unknown): Promise<object> {
  const bytes = bodyOf(body);
  const { id } = bytes.length === 0 ? {} : parseJsonObject(bytes, TRANSFER_EXPECTED);
  if (id === undefined) {
    await asLeader(service, url, 'change', service.raft.leadershipTransfer());
  } else if (isMemberID(id)) {
    if (service.raft.leaderWithID().id !== service.id) throw notLeader(service, url);
    const { address } = await knownServer(service, id);
    const done = service.raft.leadershipTransferToServer(id, address);
    await asLeader(service, url, 'change', done);
  } else {
    throw badRequest(`${TRANSFER_EXPECTED}, got id ${JSON.stringify(id)}`);
  }
  return { transferred: true };
}

/** Looking at the cluster and changing it. */
export function addAdminRoutes(app: FastifyInstance, service: Service): void {
  const options = { bodyLimit: MAX_BODY_BYTES };
  app.get('/status', () => status(service));
  app.post('/members', options, (request) =>
    addMember(service, request.url, memberOf(request.body)),
  );
  app.delete<{ Params: { readonly id: string } }>('/members/:id', (request) =>
    removeMember(service, request.url, request.params.id),
  );
  app.post('/snapshot', options, () => takeSnapshot(service));
  app.post('/leadership-transfer', options, (request) =>
    transfer(service, request.url, request.body),
  );
}
