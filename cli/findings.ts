/** What somebody has to do about damage. */
export type Remedy = 'replace-node' | 'drop-snapshot' | 'newer-release';

/** Something that is wrong with a data directory. */
export interface Finding {
  /** File, and index where there is one. */
  readonly where: string;
  /** What is wrong there. */
  readonly what: string;
  readonly remedy: Remedy;
}

/** What to do, in words for an operator. */
export const REMEDIES: Readonly<Record<Remedy, string>> = {
  'replace-node':
    'Do not start a node on this data. Remove the server from the cluster (removeServer), move ' +
    'the directory away, start the node on an empty one and add it again (addVoter): the leader ' +
    'sends all that it needs. Without a quorum of healthy nodes: restore a backup, or see ' +
    'recoverCluster.',
  'drop-snapshot':
    'Move the directory of that snapshot away: the node starts from the other one and its log.',
  'newer-release': 'Use the release that wrote it, or another that knows the version named above.',
};

/** What to do about an error: some say that another release, mostly a newer one, is needed. */
export function remedyFor(code: string): Remedy {
  return code === 'ERR_STORE_VERSION' || code === 'ERR_UNSUPPORTED_SNAPSHOT'
    ? 'newer-release'
    : 'replace-node';
}
