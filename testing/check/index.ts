/** Whether what clients saw can have come from one state machine that ran alone. */
export type { Operation, SequentialModel } from './history.ts';
export {
  type KeyValueInput,
  type KeyValueOperation,
  type KeyValueOutput,
  keyValueModel,
} from './key-value-model.ts';
export {
  type CheckOptions,
  checkLinearizable,
  type LinearizabilityReport,
} from './linearizability.ts';
