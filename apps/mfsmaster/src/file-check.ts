/**
 * The loop over all files (spec 09 §28.3, 10 §20): counts those that miss chunks or copies, takes lost chunks behind the end out of
 * their files, and archives what has not changed for long.
 */
import { type ChunkHealth, FileLoop, type FileLoopReport } from '@wapiti-fs/metadata';

import { demandOf } from './chunkservers/demand.js';
import type { MasterContext } from './context.js';

export const FILE_CHECK_STEP_MS = 100;
/** One loop takes so many steps, however many files there are: 55 minutes. */
const STEPS = 32_768;
/** Chunkservers are still coming: what is not there may only be late. */
const AFTER_START_S = 900;
const AFTER_LOSS_S = 600;

type Parts = Pick<MasterContext, 'metadata' | 'turn' | 'chunkservers' | 'startedS' | 'nowS'>;

export class FileCheck {
  private readonly loop: FileLoop;
  /** Inodes that are due; a part of one is carried over to the next step. */
  private due = 0;

  constructor(private readonly master: Parts) {
    this.loop = new FileLoop(master.metadata, (chunkId) => this.health(chunkId));
  }

  /** Result of the last complete loop; undefined: none yet. */
  get last(): FileLoopReport | undefined {
    return this.loop.last;
  }

  /** A line for the `info` action. */
  describe(): string {
    const { last } = this;
    if (last === undefined) return 'files checked: none yet';
    const { files, missingFiles, underGoalFiles } = last;
    return `files checked: ${files}, with missing chunks: ${missingFiles}, with too few copies: ${underGoalFiles}`;
  }

  /** To be called every {@link FILE_CHECK_STEP_MS}. */
  step(): void {
    const { metadata, turn, chunkservers, startedS, nowS } = this.master;
    if (turn.blocked || nowS() < Math.max(startedS + AFTER_START_S, chunkservers.lastLossS + AFTER_LOSS_S)) return;
    this.due += (metadata.store.nodes.maxInode + 1) / STEPS;
    const inodes = Math.floor(this.due);
    if (inodes === 0) return;
    this.due -= inodes;
    turn.run(() => this.loop.step(nowS(), inodes));
  }

  private health(chunkId: number): ChunkHealth | undefined {
    const { store } = this.master.metadata;
    const slot = store.chunks.find(chunkId);
    if (slot === 0) return undefined;
    const { manager } = this.master.chunkservers;
    const validCopies = manager.copies(chunkId).filter(({ state }) => state === 'valid' || state === 'busy').length;
    return { validCopies, goal: demandOf(store, slot).goal, idle: !manager.isBusy(chunkId) };
  }
}
