/** Whether a hosts file (hosts(5)) has a line for a name. */
export function hostsFileNames(text: string, name: string): boolean {
  return text.split('\n').some((line) => {
    const [, ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    return names.some((one) => one.toLowerCase() === name);
  });
}
