import ts from 'typescript';
import { type GoSignature, givenParameters, gottenResults } from './go-signature.ts';
import type { PackageView } from './package-view.ts';

/** Says whether a TypeScript type is what the rules make of a Go type. */
export class TypeMatch {
  readonly #view: PackageView;

  constructor(view: PackageView) {
    this.#view = view;
  }

  /** The alternatives of a type that are neither absence nor a promise. */
  #parts(type: ts.Type): ts.Type[] {
    const checker = this.#view.checker;
    if (type.isUnion()) return type.types.flatMap((part) => this.#parts(part));
    if (type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) return [];
    if (type.symbol?.name === 'Promise') {
      const [inside] = checker.getTypeArguments(type as ts.TypeReference);
      return inside === undefined ? [] : this.#parts(inside);
    }
    return [type];
  }

  /** True when the type is nothing but absence, now or later. */
  isNothing(type: ts.Type): boolean {
    return this.#parts(type).length === 0;
  }

  /** True when every alternative of `type` stands for the Go type. */
  fits(type: ts.Type, goType: string): boolean {
    if (goType === 'interface{}') return true;
    const parts = this.#parts(type);
    return parts.length > 0 && parts.every((part) => this.#fitsPart(part, goType));
  }

  #fitsPart(type: ts.Type, goType: string): boolean {
    const checker = this.#view.checker;
    if (/^(u?int\d*|time\.Duration)$/.test(goType)) return is(type, ts.TypeFlags.NumberLike);
    if (goType === 'bool') return is(type, ts.TypeFlags.BooleanLike);
    if (goType === 'string') return is(type, ts.TypeFlags.StringLike);
    if (goType === 'error') return type.symbol?.name === 'Error';
    if (goType === 'time.Time') return ['Date', 'Timestamp'].includes(type.symbol?.name ?? '');
    if (goType === '[]byte') return type.symbol?.name === 'Uint8Array';
    if (goType.startsWith('[]')) {
      const item = checker.getIndexTypeOfType(type, ts.IndexKind.Number);
      return item !== undefined && this.fits(item, goType.slice(2));
    }
    if (/^(<-)?chan\b/.test(goType)) {
      return /^(Send)?Channel$/.test((type.aliasSymbol ?? type.symbol)?.name ?? '');
    }
    if (goType.startsWith('func(')) return type.getCallSignatures().length > 0;
    if (goType.startsWith('map[string]')) return type.getStringIndexType() !== undefined;
    if (/^io\.Read(Clos)?er$/.test(goType)) return hasAsyncIterator(type);
    if (goType === 'io.Writer') return type.getProperty('write') !== undefined;
    if (goType === 'net.Addr') return is(type, ts.TypeFlags.StringLike);
    if (goType === 'net.Conn') return type.symbol?.name === 'StreamConnection';
    return this.#isNamed(type, goType.replace(/^\*/, '').replace('hclog.', ''));
  }

  /** Types that Go does not export, such as the cluster of its tests, have no name to compare. */
  #isNamed(type: ts.Type, name: string): boolean {
    if (/^[a-z]/.test(name)) return true;
    const symbol = this.#find(name);
    if (symbol === undefined) return false;
    const declared = this.declared(symbol);
    return inherits(type, symbol) || this.#view.checker.isTypeAssignableTo(type, declared);
  }

  #find(name: string): ts.Symbol | undefined {
    const found = [...this.#view.entries.values()].map(({ symbols }) => symbols.get(name));
    return found.find((symbol) => symbol !== undefined);
  }

  /** True when a caller may give what stands for the Go type; more may be welcome too. */
  accepts(type: ts.Type, goType: string): boolean {
    if (goType === 'interface{}') return true;
    if (this.#parts(type).some((part) => this.fits(part, goType))) return true;
    const symbol = this.#find(goType.replace(/^\*/, ''));
    if (symbol === undefined) return false;
    return this.#view.checker.isTypeAssignableTo(this.declared(symbol), type);
  }

  /** The type that a class, an interface or an alias declares. */
  declared(symbol: ts.Symbol): ts.Type {
    return this.#view.checker.getDeclaredTypeOfSymbol(symbol);
  }

  /** What is wrong with the way a function is called, by the rules. */
  callComplaints(type: ts.Type, go: GoSignature, extra: number, override: Override): string[] {
    const checker = this.#view.checker;
    const [signature] = type.getCallSignatures();
    if (signature === undefined) return ['is no function'];
    const given = givenParameters(go);
    const wanted = (override.arguments ?? given.length) + extra;
    const { parameters } = signature;
    const required = parameters.filter((symbol) => !isOptional(symbol)).length;
    const found: string[] = [];
    if (parameters.length < wanted || required > wanted) {
      found.push(`takes ${required} to ${parameters.length} arguments, expected ${wanted}`);
    }
    const comparable = override.arguments === undefined ? given : [];
    for (const [i, { name, type: goType }] of comparable.entries()) {
      const symbol = parameters[i + extra];
      if (symbol === undefined) break;
      const actual = checker.getTypeOfSymbolAtLocation(symbol, this.#view.place);
      if (!this.accepts(actual, goType)) {
        found.push(`argument ${name || i} is ${checker.typeToString(actual)}, for Go's ${goType}`);
      }
    }
    return [...found, ...this.#resultComplaints(signature.getReturnType(), go, override)];
  }

  #resultComplaints(actual: ts.Type, go: GoSignature, override: Override): string[] {
    const text = this.#view.checker.typeToString(actual);
    if (override.type !== undefined) {
      return text === override.type ? [] : [`gives ${text}, expected ${override.type}`];
    }
    const results = gottenResults(go);
    const [only = ''] = results;
    if (results.length === 0) {
      const waits = this.isNothing(actual) || text === 'Future<void>';
      return waits ? [] : [`gives ${text}, and Go gives nothing`];
    }
    if (results.length === 1) return this.fits(actual, only) ? [] : [`gives ${text} for ${only}`];
    const parts = this.#parts(actual);
    const several = parts.every((part) => part.getProperties().length >= results.length);
    return parts.length > 0 && several ? [] : [`gives ${text} for ${results.length} results`];
  }
}

/** What an entry of the list says in place of the rules. */
export interface Override {
  readonly arguments?: number;
  readonly type?: string;
}

function is(type: ts.Type, flags: ts.TypeFlags): boolean {
  return (type.flags & flags) !== 0;
}

/** True for a generic type too, whatever it is filled with. */
function inherits(type: ts.Type, symbol: ts.Symbol): boolean {
  if (type.symbol === symbol) return true;
  return (type.getBaseTypes() ?? []).some((base) => inherits(base, symbol));
}

function isOptional(symbol: ts.Symbol): boolean {
  const declaration = symbol.valueDeclaration;
  return (
    declaration !== undefined &&
    ts.isParameter(declaration) &&
    (declaration.questionToken !== undefined ||
      declaration.initializer !== undefined ||
      declaration.dotDotDotToken !== undefined)
  );
}

/** True for what `for await` can read. */
export function hasAsyncIterator(type: ts.Type): boolean {
  return type.getProperties().some(({ name }) => name.startsWith('__@asyncIterator'));
}
