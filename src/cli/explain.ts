import { canonicalIp } from '../core/ip.ts';
import { parseArguments } from './arguments.ts';
import { configFile, FILE_OPTION, loadOrComplain } from './config-file.ts';
import { EXIT, UsageError } from './exit.ts';
import { explanationLines } from './explain-text.ts';
import { explainRequest } from './explanation.ts';
import { print, printJson } from './print.ts';
import { AskedRequest } from './request-asked.ts';
import type { Verb } from './verb.ts';

export const explain: Verb = {
  help: `Usage: headgate explain [-c file] METHOD URL [-H 'name: value']… [--client address] [--json]

Says what would happen to a request: which route takes it and why the others do not, which limits hold for it with
their keys, where it goes and as what. Nothing is sent and no limit is charged.

  -c, --config file    default: headgate.yaml, …, headgate.config.ts in this folder
  -H, --header field   a header field of the request, may be repeated
      --client address the client's address, default 127.0.0.1
      --json           the same for a program

Example: headgate explain GET http://api.example.com/orders/7 -H 'x-api-key: abc'

Exit codes: 0 a route takes it, 1 none does, or the configuration is not valid.`,

  async run(args) {
    const { values, positionals } = parseArguments(
      args,
      {
        ...FILE_OPTION,
        header: { type: 'string', short: 'H', multiple: true, default: [] },
        client: { type: 'string', default: '127.0.0.1' },
        json: { type: 'boolean' },
        request: { type: 'string' },
      },
      2,
    );
    if (values.request !== undefined) throw new UsageError('--request is known, not in this version');
    const [method, url] = positionals;
    if (method === undefined || url === undefined) throw new UsageError('a method and a URL are needed');
    const client = canonicalIp(values.client);
    if (client === undefined) throw new UsageError(`"${values.client}" is no IP address`);
    const request = AskedRequest.parse(method, url, values.header, client);
    const loaded = await loadOrComplain(configFile(values.config));
    if (loaded === undefined) return EXIT.invalid;
    const explanation = explainRequest(loaded, request);
    if (values.json === true) printJson(explanation);
    else print(...explanationLines(explanation));
    return explanation.outcome === 'route' ? EXIT.good : EXIT.invalid;
  },
};
