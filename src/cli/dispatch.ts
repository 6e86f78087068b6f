import { didYouMean } from '../config/suggest.ts';
import { CommandError, EXIT, exitWith, UsageError } from './exit.ts';
import { complain, print } from './print.ts';
import { LATER_VERBS, VERBS } from './verbs.ts';
import { version } from './version.ts';

/** Runs what was typed and ends the process with its exit code. */
export async function dispatch(args: readonly string[]): Promise<void> {
  // The reader of a pipe may leave early (`headgate schema | head`).
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  const [name, ...rest] = args;
  try {
    await exitWith(await runVerb(name, rest));
  } catch (error) {
    await exitWith(report(error, name));
  }
}

async function runVerb(name: string | undefined, args: readonly string[]): Promise<number> {
  if (name === '--version' || name === '-v' || name === 'version') {
    print(version());
    return EXIT.good;
  }
  if (name === '--help' || name === '-h') {
    print(overview());
    return EXIT.good;
  }
  if (name === 'help') return help(args[0]);
  if (name === undefined) {
    complain(overview());
    return EXIT.usage;
  }
  const entry = VERBS.get(name);
  if (entry === undefined) throw unknownVerb(name);
  if (wantsHelp(args)) return help(name);
  return (await entry.load()).run(args);
}

/** `--help` counts wherever an option may stand, not after `--`. */
function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const options = end === -1 ? args : args.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

async function help(name: string | undefined): Promise<number> {
  if (name === undefined) {
    print(overview());
    return EXIT.good;
  }
  const entry = VERBS.get(name);
  if (entry === undefined) throw unknownVerb(name);
  print((await entry.load()).help);
  return EXIT.good;
}

function unknownVerb(name: string): UsageError {
  if (LATER_VERBS.includes(name)) return new UsageError(`"${name}" is known, not in this version`);
  return new UsageError(`no verb "${name}"${didYouMean(name, VERBS.keys())}`);
}

function report(error: unknown, name: string | undefined): number {
  if (error instanceof UsageError) {
    const verb = name !== undefined && VERBS.has(name) ? ` ${name}` : '';
    complain(`headgate${verb}: ${error.message}`, `"headgate${verb} --help" says what there is`);
    return EXIT.usage;
  }
  if (error instanceof CommandError) {
    complain(`headgate: ${error.message}`);
    return EXIT.invalid;
  }
  complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.invalid;
}

function overview(): string {
  const width = Math.max(...[...VERBS.keys()].map((name) => name.length));
  const lines = [...VERBS].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    `headgate ${version()}: an API gateway with rate limits and load balancing`,
    '',
    'Usage: headgate <verb> [options]',
    '',
    ...lines,
    '',
    '  --help      of each verb too',
    '  --version',
    '',
    'Exit codes: 0 good, 1 configuration invalid or check failed, 2 usage.',
  ].join('\n');
}
