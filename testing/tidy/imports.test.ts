import { describe, expect, it } from 'vitest';
import * as imports from './imports.ts';
import { deadFiles, entryPoints, programs } from './reachable.ts';
import { sourceOf } from './source-tree.ts';

/** A repository of a few files, each given by what it says. */
function repository(files: Record<string, string>) {
  const sources = Object.entries(files).map(([path, text]) => sourceOf(path, text));
  return { sources, graph: imports.graphOf(sources) };
}

/** A file that imports another one, and nothing else. */
function arrow(from: string, specifier: string) {
  return repository({ [from]: `import '${specifier}';` }).graph;
}

describe('graphOf', () => {
  it.each([
    "import { a } from '../b.ts';",
    "import type { A } from '../b.ts';",
    "import '../b.ts';",
    "export * from '../b.ts';",
    "export { a } from '../b.ts';",
    "const b = await import('../b.ts');",
    "type B = import('../b.ts').B;",
  ])('sees %s', (text) => {
    const { graph } = repository({ 'raft/a.ts': text });
    expect(graph.get('raft/a.ts')).toMatchObject([{ target: 'b.ts' }]);
  });
});

describe('wrongArrows', () => {
  it.each([
    ['internal/a.ts', '../raft/log.ts'],
    ['raft/log.ts', './core/core.ts'],
    ['raft/log.ts', './runtime/lanes.ts'],
    ['raft/log.ts', './raft.ts'],
    ['raft/log.ts', '../store/index.ts'],
    ['raft/core/core.ts', '../runtime/lanes.ts'],
    ['raft/core/core.ts', '../raft.ts'],
    ['raft/runtime/lanes.ts', '../raft.ts'],
    ['raft/runtime/lanes.ts', '../../observer/observer.ts'],
    ['store/a.ts', '../snapshot/b.ts'],
    ['transport/a.ts', '../raft/core/core.ts'],
    ['snapshot/a.ts', '../raft/raft.ts'],
    ['observer/a.ts', '../raft/runtime/stats.ts'],
    ['observer/a.ts', '../index.ts'],
    ['raft/log.ts', '../testing/cluster.ts'],
    ['index.ts', './testing/index.ts'],
    ['index.ts', './examples/kv/fsm.ts'],
    ['examples/kv/main.ts', '../../testing/cluster.ts'],
    ['internal/a/b.ts', '../../store/index.ts'],
  ])('forbids %s to import %s', (from, specifier) => {
    expect(imports.wrongArrows(arrow(from, specifier))).toEqual([
      expect.stringMatching(`^${from}:1: .* must not import .*: `),
    ]);
  });

  it.each([
    ['internal/a.ts', './msgpack/decode.ts'],
    ['raft/log.ts', '../internal/bytes.ts'],
    ['raft/log.ts', './fsm.ts'],
    ['raft/core/core.ts', '../log.ts'],
    ['raft/runtime/lanes.ts', '../core/core.ts'],
    ['raft/raft.ts', './runtime/node-runner.ts'],
    ['raft/recover.ts', './configuration.ts'],
    ['store/lmdb-store.ts', '../raft/log.ts'],
    ['snapshot/worker/a.ts', '../cow-map.ts'],
    ['index.ts', './raft/raft.ts'],
    ['index.ts', './observer/logger.ts'],
    ['testing/sim/a.ts', '../../raft/core/core.ts'],
    ['examples/kv/main.ts', '../../index.ts'],
    ['store/a.test.ts', '../testing/conformance/log-store.ts'],
  ])('lets %s import %s', (from, specifier) => {
    expect(imports.wrongArrows(arrow(from, specifier))).toEqual([]);
  });
});

describe('nodeImports', () => {
  it('follows every way that leads out of what must run without Node', () => {
    const { graph } = repository({
      'raft/a.ts': "import '../internal/b.ts';",
      'internal/b.ts': "\nimport 'node:fs';",
      'transport/inmem-transport.ts': "import './shared.ts';",
      'transport/shared.ts': "import 'net';",
      'testing/sim/simulator.ts': "import '../../store/peers-json.ts';",
      'store/peers-json.ts': "export * from 'node:path';",
      'transport/tcp.ts': "import 'node:net';",
      'testing/sim/cli.ts': "import 'node:process';",
      'raft/a.test.ts': "import 'node:fs';",
    });
    expect(imports.nodeImports(graph).sort()).toEqual([
      'internal/b.ts:2: must run without node:fs',
      'store/peers-json.ts:1: must run without node:path',
      'transport/shared.ts:1: must run without net',
    ]);
  });
});

describe('foreignPackages', () => {
  it('finds packages that are not allowed, near and far', () => {
    const { graph } = repository({
      'index.ts': "import './raft/a.ts'; import 'pino'; import 'node:fs';",
      'raft/a.ts': "import '@scope/pkg/deep'; import 'lmdb';",
      'other.ts': "import 'fastify';",
    });
    expect(imports.foreignPackages(graph, ['index.ts'], new Set(['pino', 'lmdb']))).toEqual([
      'raft/a.ts:1: must do without the package @scope/pkg',
    ]);
  });
});

describe('runnerImports', () => {
  it('lets only tests and settings know the runner', () => {
    const runner = "import 'vitest';";
    const { graph } = repository({
      'a.test.ts': runner,
      'vitest.config.ts': "import 'vitest/config';",
      'testing/conformance/log-store.ts': runner,
    });
    expect(imports.runnerImports(graph)).toEqual([
      'testing/conformance/log-store.ts:1: imports the runner',
    ]);
  });
});

describe('deadFiles', () => {
  it('finds what nothing leads to', () => {
    const { sources, graph } = repository({
      'index.ts': "import './a.ts';",
      'a.ts': "new Worker(new URL('./worker.ts', import.meta.url));",
      'worker.ts': "fork('dist/examples/child.js');",
      'examples/child.ts': '',
      'only-in-a-test.ts': '',
      'a.test.ts': "import './only-in-a-test.ts';",
      'dead.ts': "import './dead-too.ts';",
      'dead-too.ts': "import './dead.ts';",
    });
    expect(deadFiles(sources, graph, ['index.ts'])).toEqual([
      'dead.ts:1: nothing leads here',
      'dead-too.ts:1: nothing leads here',
    ]);
  });
});

describe('the roots of a package', () => {
  const manifest = {
    exports: { '.': { default: './dist/index.js' }, './package.json': './package.json' },
    scripts: { a: 'node scripts/a.mjs && node dist/examples/kv/demo.js', b: 'tsc -p x' },
    bin: {},
    dependencies: {},
  };

  it('are the sources of its sub-paths and of its programs', () => {
    expect(entryPoints(manifest)).toEqual(['index.ts']);
    expect(programs(Object.values(manifest.scripts))).toEqual([
      'scripts/a.mjs',
      'examples/kv/demo.ts',
    ]);
  });
});
