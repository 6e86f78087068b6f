import { watchContent } from '../adapters/file/watch-content.ts';
import { loadConfigFile } from '../config/load.ts';
import { parseArguments } from './arguments.ts';
import { configFile, FILE_OPTION, loadOrComplain } from './config-file.ts';
import { EXIT } from './exit.ts';
import { Served } from './serve.ts';
import type { Verb } from './verb.ts';

export const start: Verb = {
  help: `Usage: headgate start [-c file] [--watch]

Runs the gateway. SIGHUP loads the file again; a file with errors changes nothing. SIGTERM drains: readiness fails at
once, requests are accepted for shutdown.delay, then those in flight get shutdown.grace. SIGINT skips the delay, a
second signal ends at once.

  -c, --config file   default: headgate.yaml, …, headgate.config.ts in this folder
      --watch         load the file again when its content changes

Exit codes: 0 ended by a signal, 1 configuration not valid or cannot start.`,

  async run(args) {
    const { values } = parseArguments(args, { ...FILE_OPTION, watch: { type: 'boolean' } });
    const file = configFile(values.config);
    const loaded = await loadOrComplain(file);
    if (loaded === undefined) return EXIT.invalid;
    const served = new Served(loaded, () => loadConfigFile(file, process.env));
    await served.start();
    process.on('SIGHUP', () => void served.reload());
    if (values.watch === true) watchFile(file, served);
    // Whoever reads that it has started may send a signal at once.
    const ended = served.untilEnd();
    served.announce();
    return ended;
  },
};

function watchFile(file: string, served: Served): void {
  const { events } = served.logs;
  const onError = (error: Error): void => events.error(`${file} is no longer watched`, { error: error.message });
  try {
    watchContent(file, served.clock, () => void served.reload(), onError);
  } catch (error) {
    onError(error as Error);
  }
}
