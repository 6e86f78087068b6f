import { type ConfigIssue, formatIssue } from '../config/issue.ts';

/** The configuration is not valid; `issues` are all its errors, `message` lists them, one a line. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(formatIssue).join('\n'));
    this.issues = issues;
  }
}

/** The gateway could not start (a port in use, …) or reload; the message is one line for people. */
export class StartError extends Error {}
