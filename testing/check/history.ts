/** An answer to an operation. */
export interface Answer<Output> {
  /** When it came, not before the call. */
  readonly at: number;
  /** What it said. */
  readonly output: Output;
}

/** One thing that a client asked, and what became of it. */
export interface Operation<Input, Output> {
  /** What was asked. */
  readonly input: Input;
  /**
   * When it was asked. Any clock that all clients share will do; a counter that every call and
   * every answer raises by one is the sharpest. Of two equal times the call comes first.
   */
  readonly calledAt: number;
  /**
   * The answer; `null` when nobody knows what became of the operation: it may have happened at any
   * time after its call, or never.
   */
  readonly answer: Answer<Output> | null;
}

/** What an operation does to a state. */
export interface Step<State, Output> {
  /** The state after it. */
  readonly state: State;
  /** Whether it may be answered like this. */
  accepts(output: Output): boolean;
}

/** What a state machine does when it runs alone: what every history is held against. */
export interface SequentialModel<State, Input, Output> {
  /** The state before the first operation. States are never changed, only replaced. */
  readonly initial: State;
  /** What an operation makes of a state. */
  step(state: State, input: Input): Step<State, Output>;
  /** A text that is the same for equal states, and for no others. */
  describe(state: State): string;
  /** True for an operation that never changes a state; it makes the search shorter. */
  readsOnly?(input: Input): boolean;
  /** What part of the state an operation belongs to. Parts are judged one by one. */
  partOf?(input: Input): string;
}
