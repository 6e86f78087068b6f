// What each worker process runs. A signal to the process group (Ctrl-C) or to all processes of a unit is for the primary,
// which tells its workers when to end.
import { Worker } from './worker.ts';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.title = 'headgate worker, spare';
new Worker();
