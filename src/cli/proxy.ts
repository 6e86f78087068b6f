import type { ConfigIssue } from '../config/issue.ts';
import { type LoadedConfig, parseConfig } from '../config/load.ts';
import type { HeadgateConfig } from '../config/schema.ts';
import { proxyConfig, proxyYaml } from '../config/template.ts';
import { parseArguments } from './arguments.ts';
import { EXIT, UsageError } from './exit.ts';
import { complain, print } from './print.ts';
import { Served } from './serve.ts';
import type { Verb } from './verb.ts';

export const proxy: Verb = {
  help: `Usage: headgate proxy --to URL… [--port 8080] [--limit 100/s] [--limit-key client.ip] [--store URL]

Runs the gateway without a file: balances over the URLs, and lets each client pass so many requests in any rolling
window.

      --to URL          where requests go, may be repeated
      --port number     default 8080 (HEADGATE_LISTEN where it is set)
      --limit rate      such as 10/s, 100/1m; default: none
      --limit-key key   whose requests are counted together: client.ip (default), header.<name>, …
      --store URL       redis://…, what several gateways share; default: memory
      --print-config    print the file to go on with, and end; a store's password is left to \${HEADGATE_STORE}

Exit codes: 0 ended by a signal, 1 a value is not valid or the gateway cannot start.`,

  async run(args) {
    const { values } = parseArguments(args, {
      to: { type: 'string', multiple: true, default: [] },
      port: { type: 'string' },
      limit: { type: 'string' },
      'limit-key': { type: 'string', default: 'client.ip' },
      store: { type: 'string' },
      'print-config': { type: 'boolean' },
    });
    if (values.to.length === 0) throw new UsageError('--to is needed: where shall requests go?');
    const written = proxyConfig({
      to: values.to.map(asUrl),
      port: portOf(values.port),
      limit: values.limit,
      limitKey: values['limit-key'],
      store: values.store,
    });
    const loaded = load(written, values.port !== undefined);
    if (loaded === undefined) return EXIT.invalid;
    if (values['print-config'] === true) {
      print(proxyYaml(written).trimEnd());
      return EXIT.good;
    }
    const served = new Served(loaded);
    await served.start();
    // Whoever reads that it has started may send a signal at once.
    const ended = served.untilEnd();
    served.announce();
    return ended;
  },
};

/** `localhost:3000` is http. */
function asUrl(text: string): string {
  return text.includes('://') || text.startsWith('unix:') ? text : `http://${text}`;
}

function portOf(text: string | undefined): number {
  const port = Number(text ?? 8080);
  if (!/^\d{1,5}$/.test(text ?? '8080') || port > 65_535) throw new UsageError(`--port ${text}: a port is 0 to 65535`);
  return port;
}

/** The environment stands in where nothing was said: without `--port`, for the address. */
function load(written: HeadgateConfig, hasPort: boolean): LoadedConfig | undefined {
  const { listeners, ...others } = written;
  const leaveOpen = !hasPort && (process.env.HEADGATE_LISTEN ?? '') !== '';
  const result = parseConfig(leaveOpen ? others : { ...others, listeners }, process.env);
  if (result.ok) return result;
  complain(...result.errors.map(flagIssue));
  return undefined;
}

const FLAGS: readonly (readonly [path: RegExp, flag: string])[] = [
  [/^upstreams\b/, '--to'],
  [/^limits\b.*\.window$/, '--limit'],
  [/^limits\b.*\.key\b/, '--limit-key'],
  [/^store\b/, '--store'],
  [/^listeners\b/, '--port'],
];

/** Names the flag that was typed instead of the field of a file that nobody wrote. */
function flagIssue({ path, message }: ConfigIssue): string {
  const flag = FLAGS.find(([pattern]) => pattern.test(path))?.[1] ?? path;
  return `headgate proxy: ${flag}: ${message}`;
}
