import { jsonSchema } from '../config/json-schema.ts';
import { parseArguments } from './arguments.ts';
import { EXIT } from './exit.ts';
import { printJson } from './print.ts';
import type { Verb } from './verb.ts';

export const schema: Verb = {
  help: `Usage: headgate schema

Prints the JSON Schema of the configuration, for editors.`,

  async run(args) {
    parseArguments(args, {});
    printJson(jsonSchema());
    return EXIT.good;
  },
};
