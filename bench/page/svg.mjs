// Charts as SVG text. Colours follow the reader's scheme, background included, so that they are readable on any page.

const STYLE = `<style>
  svg { --page: #fff; --ink: #1f2328; --faint: #59636e; --grid: #d8dee4; --a: #0969da; --b: #87b9f1; --own: #bc4c00; --own2: #f0a875 }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --grid: #30363d; --a: #4493f8; --b: #26508c; --own: #f0883e; --own2: #8a4a1c }
  }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: var(--ink) }
  .title { font-weight: 600; font-size: 15px } .faint { fill: var(--faint); font-size: 12px }
  .page { fill: var(--page) } .grid { stroke: var(--grid) } .a { fill: var(--a) } .b { fill: var(--b) }
  .own.a { fill: var(--own) } .own.b { fill: var(--own2) } path { fill: none; stroke-width: 2 }
  .line0 { stroke: var(--a) } .line1 { stroke: var(--own) } .bound { stroke: var(--faint); stroke-dasharray: 5 4; stroke-width: 1 }
</style>`;

const WIDTH = 820;
const MARGIN = 16;
const TITLE_HEIGHT = 44;
const ROW = 26;
const BAR = 16;
const LABELS = 300;
const VALUES = 64;

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
/** Coordinates to a tenth. */
const at = (value) => String(Math.round(value * 10) / 10);

function text(x, y, content, attributes = '') {
  return `<text x="${at(x)}" y="${at(y)}"${attributes === '' ? '' : ` ${attributes}`}>${escaped(content)}</text>`;
}

function drawing(height, title, parts) {
  const size = `viewBox="0 0 ${WIDTH} ${at(height)}" width="${WIDTH}" height="${at(height)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
${STYLE}
<rect class="page" width="100%" height="100%" rx="6"/>
${text(MARGIN, 26, title, 'class="title"')}
${parts.join('\n')}
</svg>
`;
}

/** Round steps, at most seven of them, from 0 to at least `most`; `least`: no smaller ones. @public */
export function ticks(most, least = 0) {
  if (!(most > 0)) return [0, 1];
  const rough = Math.max(most / 6, least);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(12)));
}

const number = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d|.*\.))/g, '\u202f');

/**
 * Horizontal bars of one or two parts. `rows`: `{ label, parts, own, value }`, `value` being the text at the bar's end;
 * `legend`: what the parts are; `axis`: the name of the quantity with its unit.
 */
export function barChart({ title, axis, legend = [], rows }) {
  const left = MARGIN + LABELS;
  const right = WIDTH - MARGIN - VALUES;
  const top = TITLE_HEIGHT + (legend.length > 0 ? 22 : 0);
  const bottom = top + rows.length * ROW;
  const marks = ticks(Math.max(...rows.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0))));
  const x = (value) => left + (value / marks.at(-1)) * (right - left);
  const out = legend.flatMap((name, n) => [
    `<rect class="${'ab'[n]}" x="${at(left + n * 160)}" y="${at(TITLE_HEIGHT - 2)}" width="12" height="12"/>`,
    text(left + n * 160 + 18, TITLE_HEIGHT + 9, name, 'class="faint"'),
  ]);
  for (const mark of marks) {
    out.push(`<line class="grid" x1="${at(x(mark))}" x2="${at(x(mark))}" y1="${top}" y2="${bottom + 4}"/>`);
    out.push(text(x(mark), bottom + 20, number(mark), 'class="faint" text-anchor="middle"'));
  }
  for (const [n, row] of rows.entries()) out.push(...bar(row, top + n * ROW, x));
  out.push(text((left + right) / 2, bottom + 40, axis, 'class="faint" text-anchor="middle"'));
  return drawing(bottom + 52, title, out);
}

function bar({ label, parts, own, value }, y, x) {
  const out = [text(MARGIN + LABELS - 8, y + 17, label, 'text-anchor="end"')];
  let from = 0;
  parts.forEach((part, n) => {
    const width = x(from + part) - x(from);
    const kind = `${own === true ? 'own ' : ''}${'ab'[n]}`;
    out.push(`<rect class="${kind}" x="${at(x(from))}" y="${at(y + 5)}" width="${at(width)}" height="${BAR}"/>`);
    from += part;
  });
  out.push(text(x(from) + 6, y + 17, value));
  return out;
}

/**
 * One or two lines over the same horizontal axis from 0. `lines`: `{ name, points: [[x, y], …] }`; `bound`: a dashed
 * horizontal with its name; `counted`: the horizontal axis has whole steps only.
 */
export function lineChart({ title, xAxis, yAxis, lines, bound, counted = false }) {
  const [left, right, top, bottom] = [MARGIN + 52, WIDTH - MARGIN - 110, TITLE_HEIGHT + 18, 300];
  const points = lines.flatMap((line) => line.points);
  const xs = ticks(Math.max(...points.map(([value]) => value)), counted ? 1 : 0);
  const ys = ticks(Math.max(bound?.at ?? 0, ...points.map(([, value]) => value)));
  const x = (value) => left + (value / xs.at(-1)) * (right - left);
  const y = (value) => bottom - (value / ys.at(-1)) * (bottom - top);
  const out = [text(MARGIN, TITLE_HEIGHT + 4, yAxis, 'class="faint"')];
  for (const mark of ys) {
    out.push(`<line class="grid" x1="${left}" x2="${right}" y1="${at(y(mark))}" y2="${at(y(mark))}"/>`);
    out.push(text(left - 8, y(mark) + 4, number(mark), 'class="faint" text-anchor="end"'));
  }
  for (const mark of xs) out.push(text(x(mark), bottom + 20, number(mark), 'class="faint" text-anchor="middle"'));
  out.push(text((left + right) / 2, bottom + 40, xAxis, 'class="faint" text-anchor="middle"'));
  if (bound !== undefined) {
    out.push(`<path class="bound" d="M${left} ${at(y(bound.at))}H${right}"/>`);
    out.push(text(right + 8, y(bound.at) + 4, bound.name, 'class="faint"'));
  }
  lines.forEach(({ name, points: own }, n) => {
    const path = own.map(([px, py], index) => `${index === 0 ? 'M' : 'L'}${at(x(px))} ${at(y(py))}`).join('');
    out.push(`<path class="line${n}" d="${path}"/>`);
    const [lastX, lastY] = own.at(-1);
    out.push(text(x(lastX) + 8, y(lastY) + 4, name));
  });
  return drawing(bottom + 52, title, out);
}
