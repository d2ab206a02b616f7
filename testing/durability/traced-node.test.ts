import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { type Log, LogType } from '../../raft/log.ts';
import { AppendEntriesRequest, RequestVoteRequest } from '../../raft/messages.ts';
import { type NetworkTransport, newTCPTransport } from '../../transport/index.ts';

/** The lines that open a descriptor which writes through to the disk. */
const THROUGH = /^.*(data\.mdb|journal-\d)", [A-Z_|]*O_DSYNC.*$/gm;

/** What the order of system calls says, in the words that matter here. */
type Event = 'sync' | 'meta' | 'journal' | 'sent';

/**
 * The events of a trace. Something counts as synced when its call has returned, and as sent when
 * its call has begun: a send that began before the disk had answered came too early.
 */
function eventsOf(trace: string, isSend: (call: string) => boolean): Event[] {
  const direct = trace.match(/data\.mdb", [A-Z_|]*O_DSYNC[A-Z_|]*\) = (\d+)/)?.[1];
  expect(direct, 'LMDB opens a descriptor that writes through to the disk').toBeDefined();
  const opened = trace.matchAll(/journal-\d", [A-Z_|]*O_DSYNC[A-Z_|]*, \d+\) = (\d+)/g);
  const journals = [...opened].map(([, descriptor]) => descriptor).join('|');
  expect(journals, 'so does the journal').toMatch(/^\d+\|\d+$/);
  const begun = new Map<string, string>();
  const events: Event[] = [];
  for (const line of trace.split('\n')) {
    const [pid = '', rest = ''] = line.split(/ +(.*)/);
    const unfinished = rest.match(/^(.*) <unfinished \.\.\.>$/)?.[1];
    const resumed = rest.match(/^<\.\.\. \w+ resumed>(.*)$/)?.[1];
    if (resumed === undefined && isSend(rest)) events.push('sent');
    if (unfinished !== undefined) {
      begun.set(pid, unfinished);
      continue;
    }
    const call = resumed === undefined ? rest : (begun.get(pid) ?? '') + resumed;
    if (/^fdatasync\(\d+[^)]*\) += 0$/.test(call)) events.push('sync');
    if (new RegExp(`^pwrite64\\(${direct}[<,].* = \\d+$`).test(call)) events.push('meta');
    if (new RegExp(`^pwrite64\\((${journals})[<,].* = \\d+$`).test(call)) events.push('journal');
  }
  return events;
}

/**
 * Fails unless before each of `count` sends the disk had answered anew: sync, then meta page, or
 * the one write of the journal.
 */
function expectDurableBeforeSent(events: readonly Event[], count: number): void {
  const story = events.join(' ');
  expect(events.filter((event) => event === 'sent').length, story).toBeGreaterThanOrEqual(count);
  const durable = '(sync meta ?|journal ?)';
  expect(story).toMatch(new RegExp(`^(${durable}+sent ?){${count},}${durable}*$`));
}

let path = '';
let bundle = '';
let child: ChildProcess | null = null;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'quorate-traced-'));
  // Below node_modules, so that the bundle finds the native module it leaves out.
  await mkdir('node_modules/.cache', { recursive: true });
  bundle = await mkdtemp('node_modules/.cache/quorate-traced-');
  await build({
    entryPoints: ['testing/durability/traced-node.ts'],
    outfile: join(bundle, 'node.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['lmdb', 'pino'],
    logLevel: 'error',
  });
});

afterEach(async () => {
  if (child !== null && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  child = null;
  await rm(path, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});

/** Starts the node under strace and gives its lines. */
function trace(
  role: string,
  peer: string,
): { process: ChildProcess; lines: AsyncIterator<string> } {
  const calls = 'trace=openat,write,writev,sendto,sendmsg,pwrite64,fdatasync';
  const strace = ['-f', '-yy', '-s', '64', '-e', calls, '-o', join(path, 'trace')];
  const node = [process.execPath, join(bundle, 'node.mjs'), role, join(path, 'db'), peer];
  child = spawn('strace', [...strace, ...node], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the process has no output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { process: child, lines };
}

async function lineAfter(lines: AsyncIterator<string>, start: string): Promise<string> {
  for (;;) {
    const { done, value } = await lines.next();
    if (done === true) throw new Error(`the node ended before it said "${start}"`);
    if (value.startsWith(start)) return value.slice(start.length).trim();
  }
}

/** Asks for three votes and then sends three batches, one request after the other was answered. */
async function askEverything(peer: NetworkTransport, target: string): Promise<void> {
  const header = (term: number) => ({
    term,
    rpcHeader: { protocolVersion: 3, id: utf8('peer'), addr: utf8(peer.localAddr()) },
  });
  for (let term = 2; term <= 4; term += 1) {
    const request = new RequestVoteRequest({ ...header(term), lastLogIndex: 1, lastLogTerm: 1 });
    const reply = await peer.requestVote('traced', target, request);
    expect(reply).toMatchObject({ granted: true, term });
  }
  for (let batch = 0; batch < 3; batch += 1) {
    const prevLogEntry = 1 + batch * 2;
    const entry = (index: number): Log => ({
      index,
      term: 5,
      type: LogType.LogCommand,
      data: utf8('x'),
      extensions: null,
      appendedAt: ZERO_TIME,
    });
    const request = new AppendEntriesRequest({
      ...header(5),
      prevLogEntry,
      prevLogTerm: batch === 0 ? 1 : 5,
      entries: [entry(prevLogEntry + 1), entry(prevLogEntry + 2)],
    });
    expect(await peer.appendEntries('traced', target, request)).toMatchObject({ success: true });
  }
}

if (spawnSync('strace', ['-V']).status === 0) {
  describe('a node as the kernel sees it', () => {
    it('acknowledges a command only when its own disk has answered', async () => {
      const { process: node, lines } = trace('leader', '');
      await lineAfter(lines, 'ACK 20');
      if (node.exitCode === null) await once(node, 'exit');
      const text = await readFile(join(path, 'trace'), 'utf8');
      const fromOffice = text.slice(text.indexOf('"LEADS\\n"'));
      const direct = (text.match(THROUGH) ?? []).join('\n');
      const toLast = fromOffice.slice(0, fromOffice.indexOf('"ACK 20\\n"') + 20);
      const events = eventsOf(`${direct}\n${toLast}`, (call) => /^write\(1<.*"ACK /.test(call));
      expectDurableBeforeSent(events, 20);
    });

    it('answers a vote and new entries only when its own disk has answered', async () => {
      const peer = await newTCPTransport('127.0.0.1:0', null, 3, 10_000, { write: () => true });
      const { process: node, lines } = trace('follower', peer.localAddr());
      const target = await lineAfter(lines, 'READY ');
      await askEverything(peer, target);
      await peer.close();
      node.stdin?.end('done\n');
      if (node.exitCode === null) await once(node, 'exit');
      const text = await readFile(join(path, 'trace'), 'utf8');
      const direct = (text.match(THROUGH) ?? []).join('\n');
      const served = text.slice(text.indexOf('"READY '));
      const isReply = (call: string): boolean => /^(write|writev|send\w+)\(\d+<TCP/.test(call);
      expectDurableBeforeSent(eventsOf(`${direct}\n${served}`, isReply), 6);
    });
  });
} else {
  console.warn(
    'strace is not installed: what a node sends before its disk has answered is not seen',
  );
}
