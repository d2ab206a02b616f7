import { type Configuration, quorumSize, votersOf } from '../../../raft/configuration.ts';
import { RaftState } from '../../../raft/state.ts';
import type { Invariant, NodeView } from '../court.ts';
import type { EntryFact, Facts } from '../facts.ts';

/** True when the entry is on the durable disk of the node, or a durable snapshot covers it. */
function holds(node: NodeView, { index, term }: EntryFact): boolean {
  const { durable } = node.disk;
  return durable.snapshotIndex >= index || durable.termAt(index) === term;
}

function onQuorum(facts: Facts, configuration: Configuration, entry: EntryFact): boolean {
  const voters = new Set(votersOf(configuration).map(({ id }) => id));
  const holders = facts.nodes.filter((node) => voters.has(node.id) && holds(node, entry));
  return holders.length >= quorumSize(configuration);
}

/**
 * What is committed is on the durable disks of a quorum at that moment, and a leader commits only
 * up to an entry of its own term.
 */
export const committedOnQuorum: Invariant = {
  name: 'committed-on-quorum',
  source: 'Raft paper, §5.3, §5.4.2, Figure 2 "Leaders"; Ongaro\'s thesis, §10.2.1',
  watch(facts, violated) {
    let newest: { readonly node: NodeView; readonly entry: EntryFact } | null = null;
    return {
      committed(node, _index, entry) {
        newest = { node, entry };
      },
      stepped() {
        if (newest === null) return;
        const { node, entry } = newest;
        newest = null;
        const { index, term } = entry;
        // A leader whose disk lags counts by a configuration that is in its memory alone.
        const inForce = facts.committedConfiguration(index);
        const configurations = facts.configurationsOf(node).concat(inForce ?? []);
        if (!configurations.some((configuration) => onQuorum(facts, configuration, entry))) {
          violated(`${node.id} commits ${index} of term ${term}, which is not on a quorum's disks`);
        }
        const { raft } = node;
        if (raft?.state() === RaftState.Leader && raft.currentTerm() > term) {
          violated(`${node.id} commits up to ${index}, an entry of the older term ${term}`);
        }
      },
    };
  },
};
