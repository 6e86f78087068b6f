import { compileConfig } from '../config/compile.ts';
import { formatIssue } from '../config/issue.ts';
import { type LoadResult, loadConfigFile } from '../config/load.ts';
import { parseArguments } from './arguments.ts';
import { configFile, FILE_OPTION } from './config-file.ts';
import { EXIT } from './exit.ts';
import { complain, counted, print, printJson } from './print.ts';
import type { Verb } from './verb.ts';

export const check: Verb = {
  help: `Usage: headgate check [-c file] [--strict] [--json]

Prints all errors and warnings of a configuration, each with its place.

  -c, --config file   default: headgate.yaml, …, headgate.config.ts in this folder
      --strict        warnings fail too
      --json          { ok, file, errors, warnings } on standard output

Exit codes: 0 good, 1 not valid.`,

  async run(args) {
    const { values } = parseArguments(args, {
      ...FILE_OPTION,
      strict: { type: 'boolean' },
      json: { type: 'boolean' },
    });
    const file = configFile(values.config);
    const result = await loadConfigFile(file, process.env);
    const good = result.ok && !(values.strict === true && result.warnings.length > 0);
    if (values.json === true) printJsonResult(file, result, good);
    else printResult(file, result);
    return good ? EXIT.good : EXIT.invalid;
  },
};

function printJsonResult(file: string, result: LoadResult, ok: boolean): void {
  printJson({ ok, file, errors: result.ok ? [] : result.errors, warnings: result.ok ? result.warnings : [] });
}

function printResult(file: string, result: LoadResult): void {
  if (!result.ok) {
    complain(...result.errors.map(formatIssue), counted(result.errors.length, 'error'));
    return;
  }
  const { routes, limits, upstreams, hash } = compileConfig(result.config);
  const parts = [counted(routes.length, 'route'), counted(limits.size, 'limit'), counted(upstreams.size, 'upstream')];
  for (const warning of result.warnings) complain(`warning: ${formatIssue(warning)}`);
  const warnings = result.warnings.length === 0 ? '' : `, ${counted(result.warnings.length, 'warning')}`;
  print(`${file}: no errors${warnings} (${parts.join(', ')}; hash ${hash})`);
}
