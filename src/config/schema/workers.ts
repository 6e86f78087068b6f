import * as z from 'zod';
import { oneOf } from './fields.ts';

/** More would only take memory from each other. */
const MOST_WORKERS = 256;

export const workers = oneOf('expected a number of processes, or auto', [
  z.int().min(1).max(MOST_WORKERS),
  z.literal('auto'),
])
  .default(1)
  .describe('Processes that serve; `auto` = one per core. Limits hold over all of them. Changing it wants a restart.');
