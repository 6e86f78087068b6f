import type { Explanation, ForwardExplanation, LimitExplanation, RouteExplanation } from './explanation.ts';

/** An explanation for people. */
export function explanationLines(explanation: Explanation): string[] {
  const { request, refused, route, limits, others } = explanation;
  const lines = [`${request.method} ${request.host}${request.path} from ${request.client}`];
  if (refused !== null) return [...lines, `refused with ${refused.status}: ${refused.detail}`];
  if (route === null) lines.push('route      none: 404');
  else lines.push(...routeLines(route));
  lines.push(...limitLines(limits));
  if (others.length > 0) lines.push('other routes');
  for (const { name, why } of others) lines.push(`  ${name}: ${why}`);
  return lines;
}

function routeLines(route: RouteExplanation): string[] {
  const place = route.name === route.place ? '' : ` (${route.place})`;
  const params = Object.entries(route.params).map(([name, value]) => ` ${name}=${value}`);
  const lines = [`route      ${route.name}${place}${params.join('')}`];
  if (route.answer !== null) {
    const { status, to } = route.answer;
    lines.push(to === null ? `answer     ${status}` : `redirect   ${status} to ${to}`);
  }
  if (route.forward !== null) lines.push(...forwardLines(route.forward));
  return lines;
}

function forwardLines(forward: ForwardExplanation): string[] {
  const host = forward.host ?? "(the endpoint's own)";
  return [
    `upstream   ${forward.upstream} (${forward.balance}): ${forward.endpoints.join(', ')}`,
    `sent as    ${forward.target}  Host: ${host}`,
    ...forward.set.map(([name, value]) => `           sets ${name}: ${value}`),
    ...forward.add.map(([name, value]) => `           adds ${name}: ${value}`),
    ...forward.remove.map((name) => `           removes ${name}`),
  ];
}

function limitLines(limits: readonly LimitExplanation[]): string[] {
  if (limits.length === 0) return ['limits     none'];
  return limits.map((limit, index) => {
    const notes = [
      ...(limit.cost === 1 ? [] : [`cost ${limit.cost}`]),
      ...(limit.shadow ? ['shadow: never refuses'] : []),
      ...(limit.excepted ? ['not counted: except'] : []),
      ...(limit.onMissingKey === null ? [] : [MISSING[limit.onMissingKey]]),
    ];
    const key = limit.key.map(({ part, value }) => `${part} = ${value ?? '(missing)'}`).join(', ');
    const note = notes.length === 0 ? '' : `  [${notes.join('; ')}]`;
    return `${index === 0 ? 'limits   ' : '         '}  ${limit.name}: ${limit.kind} ${limit.value} by ${key || 'nothing: one bucket for all'}${note}`;
  });
}

const MISSING: Readonly<Record<NonNullable<LimitExplanation['onMissingKey']>, string>> = {
  ip: "missing: the client's address stands in",
  shared: 'missing: one bucket for all without',
  deny: 'missing: refused',
  skip: 'missing: the limit does not hold',
};
