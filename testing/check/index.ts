/** Whether what clients saw can have come from one state machine that ran alone. */
export type { Answer, Operation, SequentialModel, Step } from './history.ts';
export {
  type KeyValueAccess,
  type KeyValueInput,
  type KeyValueOperation,
  type KeyValueOutput,
  type KeyValueSwap,
  type KeyValueWrite,
  keyValueModel,
} from './key-value-model.ts';
export {
  type CheckOptions,
  checkLinearizable,
  type LinearizabilityReport,
} from './linearizability.ts';
