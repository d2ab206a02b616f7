import { parseArgs } from 'node:util';
import { type Peer, startNode } from './node.ts';

const usage = `A lock service: one node of it.

  --id NAME                   this node, one of the peers
  --data DIR                  where it keeps its data
  --peer NAME=RAFT,HTTP       one server of the cluster, itself too: its name and its two host:port;
                              once for each server, the same on every node
  --help                      this text
`;

function parsePeer(text: string): Peer {
  const [, id, raft, http] = /^([^=]+)=([^,]+:\d+),([^,]+:\d+)$/.exec(text) ?? [];
  if (id !== undefined && raft !== undefined && http !== undefined) return { id, raft, http };
  throw new Error(`expected --peer NAME=HOST:PORT,HOST:PORT, got ${text}`);
}

const { values } = parseArgs({
  options: {
    id: { type: 'string' },
    data: { type: 'string' },
    peer: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean' },
  },
});

if (values.help === true || values.id === undefined || values.data === undefined) {
  process.stdout.write(usage);
  process.exitCode = values.help === true ? 0 : 2;
} else {
  const { id, data: dataDir, peer } = values;
  const node = await startNode({ id, dataDir, peers: peer.map(parsePeer) });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void node.close());
}
