import ts from 'typescript';
import { parseField, parseFunction } from './go-signature.ts';
import type { Entry, PackageView } from './package-view.ts';
import type { GoConstant, GoError, GoFunction, GoType, Member, Surface } from './surface-list.ts';
import { hasAsyncIterator, TypeMatch } from './type-match.ts';

/** What the interfaces of Go's own library ask of a type that embeds them. */
const LIBRARY: Readonly<Record<string, readonly string[]>> = {
  'io.WriteCloser': ['write', 'close'],
  'net.Listener': ['accept', 'close', 'addr'],
  'io.Reader': ['[Symbol.asyncIterator]'],
  'io.ReadCloser': ['[Symbol.asyncIterator]'],
  // One thread needs no locks.
  'sync.Mutex': [],
  'sync.RWMutex': [],
};

/** Holds a package to the list of what hashicorp/raft exports. */
class Judge {
  readonly found: string[] = [];
  readonly #types: ReadonlyMap<string, GoType>;
  readonly #view: PackageView;
  readonly #match: TypeMatch;

  constructor(surface: Surface, view: PackageView) {
    this.#types = new Map(surface.types.map((type) => [type.go, type]));
    this.#view = view;
    this.#match = new TypeMatch(view);
  }

  #say(where: string, complaint: string): void {
    this.found.push(`${where}: ${complaint}`);
  }

  /** An entry that leaves the rules has to say so. */
  member(where: string, { difference, arguments: count, type }: Member): void {
    if ((count !== undefined || type !== undefined) && difference === undefined) {
      this.#say(where, 'leaves the rules and says no difference');
    }
    if (difference !== undefined && (difference.includes('\n') || difference === '')) {
      this.#say(where, 'the difference is one line');
    }
  }

  #entry(where: string, from: string): Entry | undefined {
    const entry = this.#view.entries.get(from);
    if (entry === undefined) this.#say(where, `${from} cannot be imported`);
    return entry;
  }

  /** The exported symbol of an entry of the list, which has to be documented. */
  #exported(item: Member & { from: string }, named = true): ts.Symbol | undefined {
    const symbol = this.#entry(item.go, item.from)?.symbols.get(item.name);
    if (symbol === undefined) this.#say(item.go, `${item.from} exports no ${item.name}`);
    else this.#documented(item.go, symbol, named ? item.go : undefined);
    return symbol;
  }

  /** Every symbol is explained; what stands for something in Go says for what. */
  #documented(where: string, symbol: ts.Symbol, goName: string | undefined): void {
    const { checker } = this.#view;
    const tags = symbol.getJsDocTags(checker).flatMap((tag) => tag.text ?? []);
    const text = ts.displayPartsToString([...symbol.getDocumentationComment(checker), ...tags]);
    if (text === '') this.#say(where, 'has no doc comment');
    else if (goName !== undefined && !new RegExp(`Go:\\s[^]*\\b${goName}\\b`).test(text)) {
      this.#say(where, `its doc comment does not say Go: \`${goName}\``);
    }
  }

  #typeOf(symbol: ts.Symbol): ts.Type {
    return this.#view.checker.getTypeOfSymbolAtLocation(symbol, this.#view.place);
  }

  function(item: GoFunction): void {
    const symbol = this.#exported(item);
    if (symbol === undefined) return;
    const go = parseFunction(item.signature);
    for (const complaint of this.#match.callComplaints(this.#typeOf(symbol), go, 0, item)) {
      this.#say(item.go, complaint);
    }
  }

  error(item: GoError): void {
    if (this.#exported(item) === undefined) return;
    const value = this.#view.entries.get(item.from)?.values[item.name];
    if (!(value instanceof Error)) this.#say(item.go, 'is no Error');
    else if (value.message !== item.text) {
      this.#say(item.go, `says "${value.message}", expected "${item.text}"`);
    }
  }

  constant(item: GoConstant): void {
    const [name = '', member] = item.name.split('.');
    const symbol = this.#exported({ ...item, name }, member === undefined);
    if (symbol === undefined) return;
    let value = this.#view.entries.get(item.from)?.values[name];
    if (member !== undefined) {
      const property = this.#typeOf(symbol).getProperty(member);
      if (property === undefined) this.#say(item.go, `${name} has no ${member}`);
      else this.#documented(item.go, property, undefined);
      value = new Map(Object.entries(value ?? {})).get(member);
    }
    if (value !== item.value) this.#say(item.go, `is ${String(value)}, expected ${item.value}`);
  }

  type(item: GoType): void {
    const symbol = this.#exported(item);
    if (symbol === undefined) return;
    this.#kind(item, symbol);
    const declared = this.#match.declared(symbol);
    for (const embedded of item.embeds ?? []) this.#embeds(item, declared, embedded);
    for (const member of item.methods ?? []) this.#method(item, declared, member);
    for (const member of item.fields ?? []) this.#field(item, declared, member);
  }

  /** What behaves is a class, what is data or a port may be an interface. */
  #kind({ go, kind, methods = [], fields = [] }: GoType, symbol: ts.Symbol): void {
    const { Class, Interface, TypeAlias } = ts.SymbolFlags;
    const behaves = methods.some(({ from }) => from === undefined) && kind === 'struct';
    const flags = symbol.flags;
    const right = behaves
      ? flags & Class
      : kind === 'named'
        ? flags & TypeAlias
        : flags & (Class | Interface);
    if (right !== 0) return;
    const wanted = behaves ? 'class' : kind === 'named' ? 'type alias' : 'class or interface';
    this.#say(go, `is no ${wanted} (${methods.length} methods, ${fields.length} fields)`);
  }

  /** To embed is to have all the methods; in a struct the header is a field. */
  #embeds(item: GoType, type: ts.Type, embedded: string): void {
    const { go, kind } = item;
    const names = LIBRARY[embedded];
    if (names !== undefined) {
      for (const name of names) {
        const there = name.startsWith('[') ? hasAsyncIterator(type) : type.getProperty(name);
        if (!there) this.#say(go, `has no ${name}, which ${embedded} asks for`);
      }
    } else if (kind === 'struct' && embedded === 'RPCHeader') {
      if (type.getProperty('rpcHeader') === undefined) this.#say(go, 'has no rpcHeader');
    } else {
      const embeddedType = this.#types.get(embedded);
      if (embeddedType === undefined) return this.#say(go, `${embedded} is not in the list`);
      for (const further of embeddedType.embeds ?? []) this.#embeds(item, type, further);
      for (const member of embeddedType.methods ?? []) this.#method(item, type, member);
    }
  }

  #method(owner: GoType, type: ts.Type, member: Member): void {
    const where = `${owner.go}.${member.go}`;
    this.member(where, member);
    const symbol =
      member.from === undefined
        ? this.#view.checker.getPropertyOfType(type, member.name)
        : this.#entry(where, member.from)?.symbols.get(member.name);
    if (symbol === undefined) return this.#say(where, `there is no ${member.name}`);
    this.#documented(where, symbol, member.go);
    const extra = member.from === undefined ? 0 : 1;
    const go = parseFunction(member.signature);
    // Go's Error() is the one method whose error is the result.
    const called = member.go === 'Error' ? { ...go, results: ['error'] } : go;
    for (const complaint of this.#match.callComplaints(
      this.#typeOf(symbol),
      called,
      extra,
      member,
    )) {
      this.#say(where, complaint);
    }
  }

  #field(owner: GoType, type: ts.Type, member: Member): void {
    const where = `${owner.go}.${member.go}`;
    this.member(where, member);
    const symbol = this.#view.checker.getPropertyOfType(type, member.name);
    if (symbol === undefined) return this.#say(where, `there is no ${member.name}`);
    this.#documented(where, symbol, undefined);
    const actual = this.#typeOf(symbol);
    const text = this.#view.checker.typeToString(actual);
    const goType = parseField(member.signature);
    if (member.type !== undefined ? text !== member.type : !this.#match.fits(actual, goType)) {
      this.#say(where, `is ${text}, expected ${member.type ?? `what stands for ${goType}`}`);
    }
  }
}

/** Everything in which a package is not what the list says. */
export function judge(surface: Surface, view: PackageView): string[] {
  const judge = new Judge(surface, view);
  const { functions, errors, constants, types } = surface;
  for (const item of [...functions, ...errors, ...constants, ...types]) judge.member(item.go, item);
  for (const item of functions) judge.function(item);
  for (const item of errors) judge.error(item);
  for (const item of constants) judge.constant(item);
  for (const item of types) judge.type(item);
  return judge.found;
}
