import { formatServers } from '../../../raft/configuration.ts';
import type { Invariant } from '../court.ts';

/**
 * Who stands for election asks the servers of the newest configuration in its log, committed or
 * not, and of no other: not of one whose entry was cut. While its disk writes, a leader's newest
 * entries may wait behind it, so nodes are judged when it rests.
 */
export const newestConfigurationInForce: Invariant = {
  name: 'newest-configuration-in-force',
  source: 'Raft paper, §6 (a server uses the latest configuration in its log); thesis, §4.1',
  watch(facts, violated) {
    return {
      requestSent(node, { kind }) {
        if (kind !== 'RequestVoteRequest' && kind !== 'RequestPreVoteRequest') return;
        if (!node.disk.isIdle) return;
        const [written] = facts.configurationsOnDisk(node);
        const inForce = node.raft?.getConfiguration().configuration();
        if (written === undefined || inForce === undefined) return;
        const [found, expected] = [formatServers(inForce.servers), formatServers(written.servers)];
        if (found !== expected) {
          violated(`${node.id} stands among ${found}; the newest in its log is ${expected}`);
        }
      },
    };
  },
};
