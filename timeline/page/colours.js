// Colours that the colour-blind can tell apart (Okabe and Ito), and a hatch for each reason to wait.

const THEMES = {
  light: { back: '#ffffff', ink: '#16191d', faint: '#5b646e', line: '#d4d9de', band: '#f1f3f5', wait: '#dde1e6', ready: '#e69f00', parked: '#f4f5f7', cursor: '#000000', fault: '#c3380b', accent: '#0072b2', edge: '#8c6d1f', merged: '#8a94a0', runs: ['#0072b2', '#009e73', '#cc79a7', '#56b4e9', '#8c6d1f', '#7a5bb5'], onRun: '#ffffff' },
  dark: { back: '#14171a', ink: '#eceff2', faint: '#a3adb7', line: '#363d44', band: '#1d2125', wait: '#3a424a', ready: '#e69f00', parked: '#1b1f23', cursor: '#ffffff', fault: '#ff7a45', accent: '#56b4e9', edge: '#e0c36a', merged: '#77828d', runs: ['#56b4e9', '#22b88f', '#cc79a7', '#9ad0f0', '#d6b656', '#a99be0'], onRun: '#101214' },
};

// Each reason has an ink and lines: [dx, dy] steps of a pattern of 8 by 8 pixels.
const REASONS = [
  { name: 'timer', causes: ['timer'], light: '#0072b2', dark: '#7cc6f0', draw: 'dots' },
  { name: 'I/O', causes: ['readiness'], light: '#007a59', dark: '#35c79c', draw: 'up' },
  { name: 'lock or permit', causes: ['unlock', 'permit'], light: '#c04a00', dark: '#ff8a3c', draw: 'cross' },
  { name: 'channel or queue', causes: ['queue', 'item', 'room', 'close'], light: '#a8487d', dark: '#e79ac4', draw: 'vertical' },
  { name: 'other work: join, scope, barrier, notify', causes: ['join', 'scope', 'barrier', 'notify'], light: '#5b646e', dark: '#c3ccd5', draw: 'down' },
  { name: 'child process or free worker', causes: ['reply', 'child exit', 'slot'], light: '#8c6d1f', dark: '#e0c36a', draw: 'horizontal' },
];

function reasonOf(cause) { return REASONS.findIndex(reason => reason.causes.includes(cause)); }

// '#rrggbb' as a pixel of an ImageData.
function pixel(colour) {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | (value & 255) << 16 | (value & 0xff00) | value >> 16) >>> 0;
}

// The colour between two pixels.
function mix(a, b, share) {
  const part = shift => Math.round((a >>> shift & 255) * (1 - share) + (b >>> shift & 255) * share) << shift;
  return (0xff000000 | part(0) | part(8) | part(16)) >>> 0;
}

function hatch(reason, theme, scale) {
  const size = Math.round(8 * scale), canvas = document.createElement('canvas'), c = canvas.getContext('2d');
  canvas.width = canvas.height = size;
  c.strokeStyle = c.fillStyle = REASONS[reason][theme];
  c.lineWidth = scale; c.beginPath();
  const line = (x0, y0, x1, y1) => { c.moveTo(x0, y0); c.lineTo(x1, y1); };
  const up = () => { line(-1, size + 1, size + 1, -1); line(-1, 1, 1, -1); line(size - 1, size + 1, size + 1, size - 1); };
  const down = () => { line(-1, -1, size + 1, size + 1); line(-1, size - 1, 1, size + 1); line(size - 1, -1, size + 1, 1); };
  const draw = REASONS[reason].draw, half = size / 2;
  if (draw === 'dots') c.fillRect(half - scale, half - scale, 2 * scale, 2 * scale);
  if (draw === 'up' || draw === 'cross') up();
  if (draw === 'down' || draw === 'cross') down();
  if (draw === 'vertical') line(half, 0, half, size);
  if (draw === 'horizontal') line(0, half, size, half);
  c.stroke();
  return canvas;
}

class Colours {
  constructor(model, name, scale) {
    const theme = this.theme = THEMES[name];
    this.name = name;
    this.pixels = { back: pixel(theme.back), band: pixel(theme.band), wait: pixel(theme.wait), ready: pixel(theme.ready), parked: pixel(theme.parked), merged: pixel(theme.merged), line: pixel(theme.line) };
    this.runs = theme.runs.map(pixel);
    this.hatches = REASONS.map((_, reason) => hatch(reason, name, scale));
    this.causeReason = model.causes.map(reasonOf);
    // At a pixel that hatching would not fit, a wait has a tint of its reason.
    this.waits = REASONS.map(reason => mix(this.pixels.wait, pixel(reason[name]), 0.35));
    let unitGroups = 0;
    this.ofGroup = model.groups.kind.map ? Array.from(model.groups.kind, kind => kind === THREADS ? 0 : unitGroups++ % this.runs.length) : [];
  }

  // The colour in which a unit runs: that of its group.
  run(model, unit) { return unit < 0 ? this.pixels.merged : this.runs[this.ofGroup[model.rows.group[model.units.row[unit]]]]; }

  // Of merged spans, a mixture by how long they ran, were ready and waited.
  mergedSpan(model, i) {
    const shares = model.shares(i), base = [this.pixels.ready, this.runs[this.ofGroup[model.rows.group[model.spans.row[i]]]], this.pixels.wait];
    let total = 0, colour = this.pixels.merged;
    shares.forEach((share, state) => { total += share; if (share > 0) colour = mix(colour, base[state], share / total); });
    return colour;
  }

  span(model, i) {
    const { spans } = model, state = spans.state[i];
    if (state === RUNNING && model.kindOfRow(spans.row[i]) === LOCKS) return this.runs[(spans.unit[i] + this.runs.length) % this.runs.length];
    if (state === RUNNING) return this.run(model, spans.unit[i]);
    if (state === READY) return this.pixels.ready;
    if (state === MERGED) return this.mergedSpan(model, i);
    if (state === PARKED) return this.pixels.parked;
    const reason = this.causeReason[spans.cause[i]];
    return reason < 0 ? this.pixels.wait : this.waits[reason];
  }
}
