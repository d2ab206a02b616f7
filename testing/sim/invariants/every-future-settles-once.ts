import type { Invariant, Question } from '../court.ts';

/**
 * Whatever is asked of a node that lives on is answered, once. Questions to a process that was
 * killed die with it.
 */
export const everyFutureSettlesOnce: Invariant = {
  name: 'every-future-settles-once',
  source: 'hashicorp/raft v1.7.3, future.go (every deferError is responded to)',
  watch(_facts, violated) {
    const open = new Map<number, Question>();
    const answers = new Map<number, string>();
    const judge = ({ kind, number, node }: Question): void => {
      violated(`${kind} number ${number} that was asked of ${node.id} is never answered`);
    };
    return {
      started(node) {
        for (const [number, question] of open) if (question.node === node) open.delete(number);
      },
      asked(question) {
        open.set(question.number, question);
      },
      answered(question, answer) {
        const before = answers.get(question.number);
        if (before !== undefined && before !== answer) {
          violated(`${question.kind} number ${question.number} was ${before} and is now ${answer}`);
        }
        answers.set(question.number, answer);
        open.delete(question.number);
      },
      retired(node) {
        for (const question of open.values()) if (question.node === node) judge(question);
      },
      ended() {
        for (const question of open.values()) judge(question);
      },
    };
  },
};
