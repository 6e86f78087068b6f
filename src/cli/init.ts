import { writeFileSync } from 'node:fs';
import { CONFIG_TEMPLATE } from '../config/template.ts';
import { parseArguments } from './arguments.ts';
import { CommandError, EXIT } from './exit.ts';
import { print } from './print.ts';
import type { Verb } from './verb.ts';

export const init: Verb = {
  help: `Usage: headgate init [-c file] [--force]

Writes a commented configuration that works as it stands.

  -c, --config file   default: headgate.yaml
      --force         overwrite a file that is there

Exit codes: 0 good, 1 the file is there already or cannot be written.`,

  async run(args) {
    const { values } = parseArguments(args, {
      config: { type: 'string', short: 'c', default: 'headgate.yaml' },
      force: { type: 'boolean' },
    });
    write(values.config, values.force === true);
    const named = values.config === 'headgate.yaml' ? '' : ` -c ${values.config}`;
    print(`wrote ${values.config}`, `check it: headgate check${named}`, `run it:   headgate start${named}`);
    return EXIT.good;
  },
};

function write(file: string, overwrite: boolean): void {
  try {
    writeFileSync(file, CONFIG_TEMPLATE, { flag: overwrite ? 'w' : 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new CommandError(`${file} is there already (--force overwrites it)`);
    throw new CommandError(`cannot write ${file}: ${message}`);
  }
}
