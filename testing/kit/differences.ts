import { bytesEqual } from '../../internal/bytes.ts';
import { RaftError } from '../../raft/errors.ts';
import type { FSM } from '../../raft/fsm.ts';
import { getMockFSM, type MockFSM } from './mock-fsm.ts';

/** The {@link MockFSM} of a node; throws when it has none, since nothing can be compared then. */
export function mockFSMOf(fsm: FSM): MockFSM {
  const mock = getMockFSM(fsm);
  if (mock !== null) return mock;
  const text = `expected a MockFSM, or one inside a WrappingFSM, got a ${fsm.constructor.name}`;
  throw new RaftError('ERR_TEST_CLUSTER', text);
}

/** In what two state machines differ; `null` when they are the same. */
export function difference(first: MockFSM, other: MockFSM): string | null {
  const [a, b] = [first.logs(), other.logs()];
  if (a.length !== b.length) return `FSM log length mismatch: ${a.length} ${b.length}`;
  const at = a.findIndex((command, i) => !bytesEqual(command, b[i] ?? null));
  if (at >= 0) return `FSM log mismatch at index ${at}`;
  const [c, d] = [first.configurations, other.configurations];
  if (c.length !== d.length) return `FSM configuration length mismatch: ${c.length} ${d.length}`;
  const [left, right] = [c, d].map((all) => all.map(({ servers }) => JSON.stringify(servers)));
  const differing = left?.findIndex((servers, i) => servers !== right?.[i]) ?? -1;
  return differing < 0 ? null : `FSM configuration mismatch at index ${differing}`;
}
