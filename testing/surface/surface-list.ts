import { readText } from '../tidy/source-tree.ts';

/** A method or a field of a Go type. */
export interface Member {
  readonly go: string;
  /** As Go's type checker prints it. */
  readonly signature: string;
  readonly name: string;
  /** Set when the member is a function of its own here, which takes the receiver first. */
  readonly from?: string;
  /** What is not as the rules say, in one line. Whoever sets the two below must say it. */
  readonly difference?: string;
  /** How many arguments it takes, when the rules give another number. */
  readonly arguments?: number;
  /** The TypeScript type of the field or the result, when the rules give another one. */
  readonly type?: string;
}

/** An exported function of Go. */
export interface GoFunction extends Member {
  readonly from: string;
}

/** An exported error of Go. */
export interface GoError extends Member {
  readonly from: string;
  readonly text: string;
}

/** An exported constant of Go. */
export interface GoConstant extends Member {
  readonly from: string;
  readonly value: number;
}

/** An exported type of Go. */
export interface GoType extends Member {
  readonly from: string;
  readonly kind: 'struct' | 'interface' | 'named';
  readonly embeds?: readonly string[];
  readonly methods?: readonly Member[];
  readonly fields?: readonly Member[];
}

/** Everything that hashicorp/raft exports, with the name it has here. */
export interface Surface {
  readonly source: string;
  readonly functions: readonly GoFunction[];
  readonly errors: readonly GoError[];
  readonly constants: readonly GoConstant[];
  readonly types: readonly GoType[];
}

/** The list that this folder holds the package to; interop/go/surface holds it to Go. */
export function readSurface(): Surface {
  return JSON.parse(readText('testing/surface/api-surface.json'));
}
