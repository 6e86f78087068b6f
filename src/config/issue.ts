/** Way to a value in the configuration: names and indexes. */
export type ConfigPath = readonly (string | number)[];

/** Something wrong, or doubtful, at a place of the configuration. */
export interface ConfigIssue {
  /** File as it was named; undefined for a configuration that is an object. */
  readonly file: string | undefined;
  /** From 1; undefined where the value has no place in a file. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** As a person writes it, e.g. `routes[0].match.path`; '' for the whole. */
  readonly path: string;
  readonly message: string;
}

/** An issue before its place in the text is known. */
export interface Finding {
  readonly path: ConfigPath;
  readonly message: string;
  /** The path ends in a field that should not be there (or is misspelt). */
  readonly isField?: boolean;
  /** The object that lacks something: not reported where a field of that object is unknown, which is most likely it. */
  readonly absentFrom?: ConfigPath;
}

/** `routes[0].match.path`; names that are no plain words are quoted: `headers["a b"]`. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z0-9_$-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** A key for maps over paths. */
export function pathKey(path: ConfigPath): string {
  return JSON.stringify(path);
}

/** `file:line:column: path: message`, as far as it is known: one line for an editor or a terminal to jump to. */
export function formatIssue(issue: ConfigIssue): string {
  const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined).join(':');
  return [place, issue.path, issue.message].filter((part) => part !== '').join(': ');
}
