import type { Invariant, NodeView } from '../court.ts';

/**
 * A node whose disk has failed it once writes, sends and answers nothing more: the failed write may
 * be missing below everything that comes after it. The event that brings the failure may finish.
 */
export const firstFailureIsLast: Invariant = {
  name: 'first-failure-is-last',
  source: 'Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020',
  watch(_facts, violated) {
    const failing = new Set<string>();
    const failed = new Set<string>();
    const judge = ({ id }: NodeView, what: string): void => {
      if (failed.has(id)) violated(`${id} ${what} although its disk has failed it`);
    };
    return {
      started({ id }) {
        failing.delete(id);
        failed.delete(id);
      },
      writeFailed({ id }) {
        failing.add(id);
      },
      stepped({ id }) {
        if (failing.delete(id)) failed.add(id);
      },
      writeIssued: (node, write) => judge(node, `asks for a ${write.kind} write`),
      requestSent: (node, request) => judge(node, `sends ${request.kind}`),
      replySent: (node, _request, reply) => judge(node, `answers ${reply.kind}`),
    };
  },
};
