import { brokenAnswers } from './clients.ts';
import { brokenElections } from './elections.ts';
import { brokenMembership } from './membership.ts';
import type { Mutant } from './mutant.ts';
import { brokenReplication } from './replication.ts';
import { brokenRules } from './rules.ts';
import { brokenStorage } from './storage.ts';

/** Every bug that is planted on purpose. */
export const mutants: readonly Mutant[] = [
  ...brokenRules,
  ...brokenElections,
  ...brokenReplication,
  ...brokenMembership,
  ...brokenAnswers,
  ...brokenStorage,
];
