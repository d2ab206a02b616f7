import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '../../internal/random.ts';
import { asError } from '../../raft/errors.ts';
import type { Claim } from './claim.ts';
import { type Loss, RecordedDisk } from './disk.ts';
import { judge } from './judge.ts';
import { Promises } from './promises.ts';
import type { Recording } from './record.ts';
import { callsOf, type SystemCall, stringsOf } from './system-calls.ts';

const LOSSES: readonly Loss[] = ['dropped', 'kept', 'torn'];

/** How to cut. */
export interface CutOptions {
  /** How many moments to choose, evenly from all; every one when there are fewer. */
  readonly points: number;
  readonly seed: number;
  /** A disk that lies about its syncs, which must be noticed. */
  readonly ignoresSyncs?: boolean;
}

/** What came of it. */
export interface CutResult {
  /** Moments at which the power was cut. */
  readonly points: number;
  /** Disks that were rebuilt and opened. */
  readonly disks: number;
  /** Acknowledgements that were held to at the end. */
  readonly promises: number;
  readonly failures: readonly string[];
}

/** What the traced process says on its standard output. */
function claimOf(call: SystemCall): { readonly word: string; readonly claim: Claim } | null {
  if (call.name !== 'write' || !call.args.startsWith('1<') || call.result !== null) return null;
  const [, word = '', json = ''] = String(stringsOf(call)[0]).match(/^(CALL|ACK) (.*)\n$/) ?? [];
  return word === '' ? null : { word, claim: JSON.parse(json) };
}

/** Goes through a recording; calls `visit` at every moment that leaves another disk. */
async function replay(
  { trace, directory }: Recording,
  ignoresSyncs: boolean,
  visit: (moment: number, disk: RecordedDisk, promises: Promises) => Promise<void>,
): Promise<{ readonly moments: number; readonly promises: Promises }> {
  const disk = new RecordedDisk(directory, ignoresSyncs);
  const promises = new Promises();
  let moments = 0;
  let hasBegun = false;
  for (const call of callsOf(trace)) {
    const said = claimOf(call);
    if (said?.word === 'CALL') promises.called(said.claim);
    else if (said?.word === 'ACK') promises.acknowledged(said.claim);
    hasBegun ||= said !== null;
    const isMoment = disk.take(call) || said?.word === 'ACK';
    if (!hasBegun || !isMoment) continue;
    await visit(moments, disk, promises);
    moments += 1;
  }
  return { moments, promises };
}

/** Cuts the power at many moments of a recording, and opens what is left. */
export async function cut(
  recording: Recording,
  scratch: string,
  { points, seed, ignoresSyncs = false }: CutOptions,
): Promise<CutResult> {
  const { moments } = await replay(recording, ignoresSyncs, async () => {});
  const every = Math.max(1, moments / points);
  const random = seededRandom(seed);
  const failures: string[] = [];
  let [chosen, disks] = [0, 0];
  const { promises } = await replay(recording, ignoresSyncs, async (moment, disk, promised) => {
    if (Math.floor(moment / every) === Math.floor((moment - 1) / every)) return;
    chosen += 1;
    for (const loss of LOSSES) {
      const target = await mkdtemp(join(scratch, 'cut-'));
      disks += 1;
      try {
        await disk.leave(target, loss, random);
        await judge(target, promised);
      } catch (error) {
        const where = `${recording.role}, moment ${moment} of ${moments}, ${loss}`;
        failures.push(`${where}: ${asError(error).message.replaceAll('\n', ' ')}`);
      }
      await rm(target, { recursive: true, force: true });
    }
  });
  return { points: chosen, disks, promises: promises.count, failures };
}
