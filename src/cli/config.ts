import { effectiveConfig } from '../config/effective.ts';
import { redact } from '../config/redact.ts';
import { toYaml } from '../config/template.ts';
import { parseArguments } from './arguments.ts';
import { configFile, FILE_OPTION, loadOrComplain } from './config-file.ts';
import { EXIT } from './exit.ts';
import { print, printJson } from './print.ts';
import type { Verb } from './verb.ts';

export const config: Verb = {
  help: `Usage: headgate config [-c file] [--json]

Prints the configuration in force: defaults filled in, secrets hidden.

  -c, --config file   default: headgate.yaml, …, headgate.config.ts in this folder
      --json          JSON instead of YAML

Exit codes: 0 good, 1 not valid.`,

  async run(args) {
    const { values } = parseArguments(args, { ...FILE_OPTION, json: { type: 'boolean' } });
    const loaded = await loadOrComplain(configFile(values.config));
    if (loaded === undefined) return EXIT.invalid;
    const shown = redact(effectiveConfig(loaded.config), loaded.secrets);
    if (values.json === true) printJson(shown);
    else print(toYaml(shown).trimEnd());
    return EXIT.good;
  },
};
