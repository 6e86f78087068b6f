// Imported first, for its effect: what is loaded after it would make V8's new space grow, and it seldom shrinks again.
import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the part of V8's heap that new objects come into as small as it begins (2 MB on Node 20). V8 would let it grow to
 * 32 MB; collecting it often is cheap here, for hardly anything that a request makes outlives it, and what stays small
 * stays in the processor's cache. Only for processes of the gateway's own: in a program that uses it as a library the
 * heap is the program's matter. Workers are started with the option that says the same.
 */
setFlagsFromString('--semi-space-growth-factor=1');
