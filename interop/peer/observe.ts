import { Channel } from '../../internal/channel.ts';
import { newObserver } from '../../observer/observer.ts';
import { serverSuffrageToString } from '../../raft/configuration.ts';
import type { Observation, ObservationData } from '../../raft/observation.ts';
import type { Raft } from '../../raft/raft.ts';
import { raftStateToString } from '../../raft/state.ts';

const OBSERVATIONS_KEPT = 1024;

type Print = (line: object) => void;

function fieldsOf(data: ObservationData): object {
  switch (data.kind) {
    case 'RaftState':
      return { state: raftStateToString(data.state) };
    case 'LeaderObservation':
      return { leader: data.leader, leaderAddr: data.leaderAddr, leaderID: data.leaderID };
    case 'PeerObservation': {
      const suffrage = serverSuffrageToString(data.peer.suffrage);
      return { removed: data.removed, peer: { ...data.peer, suffrage } };
    }
    case 'FailedHeartbeatObservation':
    case 'ResumedHeartbeatObservation':
      return { peerID: data.peerID };
    case 'RequestVoteRequest': {
      const { term, lastLogIndex, lastLogTerm, leadershipTransfer } = data.request;
      return { term, lastLogIndex, lastLogTerm, leadershipTransfer };
    }
    case 'RequestPreVoteRequest': {
      const { term, lastLogIndex, lastLogTerm } = data.request;
      return { term, lastLogIndex, lastLogTerm };
    }
  }
}

/** Prints what the node does. */
export async function observe(raft: Raft, print: Print): Promise<void> {
  const observations = new Channel<Observation>(OBSERVATIONS_KEPT);
  raft.registerObserver(newObserver(observations, false, null));
  for await (const { data } of observations) {
    print({ event: 'observation', type: data.kind, data: fieldsOf(data) });
  }
}

/** Prints when the node gains and loses leadership. */
export async function watchLeadership(raft: Raft, print: Print): Promise<void> {
  for await (const isLeader of raft.leaderCh()) print({ event: 'leader', isLeader });
}
