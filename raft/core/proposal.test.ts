import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Timestamp } from '../../internal/timestamp.ts';
import {
  appended,
  command,
  kindsOf,
  newLeader,
  newNode,
  peerOf,
  posted,
  sent,
  step,
  theOnly,
  voters,
} from '../../testing/core-fixture.ts';
import { ErrNotLeader } from '../errors.ts';
import { LogType } from '../log.ts';
import { stepMain } from './core.ts';
import { Effects } from './effect.ts';

describe('a proposal', () => {
  it('gets the next index, the term of the leadership, the time of its batch (S57, S58)', () => {
    const { node, leadership } = newLeader({ servers: voters('a') });
    const barrier = { type: LogType.LogBarrier, data: null, extensions: utf8('x') };
    const wall = new Timestamp(1_700_000_000, 123_456_789);
    const out = new Effects();
    const proposals = [command, barrier];
    stepMain(node, { kind: 'propose', proposals }, { ms: 0, wall }, out);
    expect(out.list).toEqual([
      {
        kind: 'startAppend',
        leadership,
        proposals,
        entries: [
          { index: 3, term: 2, ...command, appendedAt: wall },
          { index: 4, term: 2, ...barrier, appendedAt: wall },
        ],
      },
    ]);
    expect(node.terms.lastIndex).toBe(4);
  });

  it('is on its way to the followers while the leader’s own disk still writes (S59)', () => {
    const { node } = newLeader();
    const b = peerOf(node, 'b');
    b.sending = false;
    const out = step(node, { kind: 'propose', proposals: [command] });
    expect(kindsOf(out)).toEqual(['startAppend', 'sendAppend']);
    expect(theOnly(out, 'sendAppend')).toMatchObject({ peer: b, first: 2, last: 3 });
    sent(node, theOnly(out, 'sendAppend'));
    expect(node.commitIndex).toBe(0);
  });

  it('is committed by a lone voter when its disk has answered (S59)', () => {
    const { node, leadership } = newLeader({ servers: voters('a') });
    step(node, { kind: 'propose', proposals: [command] });
    expect(leadership.commitment.commitIndex).toBe(0);
    const out = posted(node, appended(node, 3));
    expect(out.list).toEqual([{ kind: 'apply', upTo: 3 }]);
    expect(node).toMatchObject({ commitIndex: 3, lastApplied: 3 });
  });

  it('is refused by whoever does not lead', () => {
    const proposals = [command];
    const out = step(newNode(), { kind: 'propose', proposals });
    expect(out.list).toEqual([{ kind: 'refuse', proposals, error: ErrNotLeader }]);
  });
});
