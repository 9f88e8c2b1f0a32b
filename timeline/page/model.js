// Questions about the timeline: which span is where, what a unit waits for, and the pyramid for drawing.

const READY = 0, RUNNING = 1, WAITING = 2, PARKED = 3, MERGED = 4;
const THREADS = 0, UNITS = 1, CHILDREN = 2, LOCKS = 3;
const OUTCOMES = ['goes on', 'done', 'failed', 'cancelled'];
// A node of the pyramid stands for this many nodes of the level below.
const FAN = 8;

// The first index in [low, high) for which `is` holds; it holds for all after that.
function first(low, high, is) {
  while (low < high) { const middle = (low + high) >> 1; if (is(middle)) high = middle; else low = middle + 1; }
  return low;
}

class Model {
  constructor(t) {
    Object.assign(this, t);
    const { spans, rows } = t, count = rows.name.length;
    this.rowFirst = new Uint32Array(count + 1);
    for (let i = 0, row = 0; row <= count; row++) {
      while (i < spans.count && spans.row[i] < row) i++;
      this.rowFirst[row] = i;
    }
    this.groupRows = t.groups.name.map(() => [Infinity, 0]);
    for (let row = 0; row < count; row++) {
      const range = this.groupRows[rows.group[row]];
      range[0] = Math.min(range[0], row); range[1] = row + 1;
    }
    this.groupRows.forEach(range => { if (range[0] === Infinity) range[0] = 0; });
    this.pyramids = new Map();
    this.threadOfRow = new Map(Array.from(t.threads.row, (row, thread) => [row, thread]));
    // An edge on the screen began at most this long before it.
    this.longestEdge = 0;
    for (let i = 0; i < t.edges.count; i++) this.longestEdge = Math.max(this.longestEdge, t.edges.end[i] - t.edges.begin[i]);
    const { marks } = t;
    // The units of cycles that nothing else ends: a wait with a timer beside it is none.
    this.stuck = new Set(Array.from(marks.unit).filter((_, mark) => marks.fault[mark] && (t.texts[marks.text[mark]] || '').startsWith('deadlock: ')));
    this.markFirst = new Uint32Array(count + 1);
    for (let i = 0, row = 0; row <= count; row++) {
      while (i < marks.count && marks.row[i] < row) i++;
      this.markFirst[row] = i;
    }
    // The rows of threads whose rings were full.
    this.missing = new Map(t.threads.name.map((_, thread) => [t.threads.row[thread], t.threads.dropped[thread]]).filter(([, dropped]) => dropped > 0));
    this.isThread = unit => unit >= 0 && (t.domains[t.units.domain[unit]] === 'thread' || t.domains[t.units.domain[unit]] === 'worker');
  }

  // The marks of a row from t0 to t1.
  marksOf(row, t0, t1) {
    const { at } = this.marks, low = this.markFirst[row], high = this.markFirst[row + 1], found = [];
    for (let i = first(low, high, i => at[i] >= t0); i < high && at[i] <= t1; i++) found.push(i);
    return found;
  }

  // What went from one process to another, of one unit.
  edgesOf(unit) {
    const found = [];
    for (let i = 0; i < this.edges.count; i++) if (this.edges.unit[i] === unit) found.push(i);
    return found;
  }

  // The name of a row; for a thread of a worker process with that: each has a thread "main".
  rowName(row) {
    const { threads, processes, rows } = this, thread = this.threadOfRow.get(row);
    return thread === undefined || !processes.role[threads.process[thread]] ? rows.name[row] : `${rows.name[row]} of process ${processes.pid[threads.process[thread]]}`;
  }

  edgeWords(edge) {
    const { edges, edgeEnds, units } = this, [left, arrived] = edgeEnds[edges.kind[edge]], place = row => units.row[edges.unit[edge]] === row ? '' : ` by ${this.rowName(row)}`;
    return edges.begin[edge] === edges.end[edge] ? `${left}${place(edges.from[edge])}` : `${left}${place(edges.from[edge])}, ${arrived}${place(edges.to[edge]).replace(' by', ' on')} ${duration(edges.end[edge] - edges.begin[edge])} later`;
  }

  kindOfRow(row) { return this.groups.kind[this.rows.group[row]]; }

  idOf(unit) { return `${this.domains[this.units.domain[unit]]}#${this.units.number[unit]}`; }
  nameOf(unit) { const label = this.units.label[unit]; return label >= 0 ? this.texts[label] : this.idOf(unit); }
  siteOf(unit) { const site = this.units.site[unit]; return site >= 0 ? this.texts[site] : ''; }

  // The spans of a row that touch the time from t0 to t1.
  range(row, t0, t1) {
    const { begin, end } = this.spans, low = this.rowFirst[row], high = this.rowFirst[row + 1];
    const from = first(low, high, i => end[i] > t0);
    return [from, first(from, high, i => begin[i] >= t1)];
  }

  // The span of a row at a time, or −1. Of spans without length, the one that begins there.
  spanAt(row, time) {
    const { begin, end } = this.spans, low = this.rowFirst[row];
    const after = first(low, this.rowFirst[row + 1], i => begin[i] > time);
    return after > low && (end[after - 1] > time || begin[after - 1] === time || end[after - 1] === this.length) ? after - 1 : -1;
  }

  spanOfUnitAt(unit, time) {
    const span = this.spanAt(this.units.row[unit], time);
    return span >= 0 && (this.spans.unit[span] === unit || this.isThread(unit)) ? span : -1;
  }

  // The spans of a unit, which may share its row with others.
  spansOf(unit) {
    const { units, spans } = this, found = [];
    let [i, end] = this.range(units.row[unit], units.begin[unit] - 1, units.end[unit] + 1);
    for (; i < end; i++) if (spans.unit[i] === unit) found.push(i);
    return found;
  }

  // The wake-up that ended a wait of a unit at this time.
  wakeOf(unit, time) {
    const { wakes } = this;
    for (let i = first(0, wakes.count, i => wakes.at[i] >= time); i < wakes.count && wakes.at[i] === time; i++)
      if (wakes.to[i] === unit) return i;
    return -1;
  }

  // Who must act so that this wait ends: the holder, or the awaited unit.
  holderOf(span) {
    const { spans, resources } = this;
    if (spans.state[span] !== WAITING) return -1;
    if (spans.holder[span] >= 0) return spans.holder[span];
    return spans.resource[span] >= 0 ? resources.unit[spans.resource[span]] : -1;
  }

  // "Held by → held by → …" at one moment: units and their spans. A cycle ends with the unit that it comes back to.
  chain(unit, time) {
    const links = [], seen = new Set();
    let isCycle = false;
    while (unit >= 0) {
      const span = this.spanOfUnitAt(unit, time);
      links.push({ unit, span });
      if (seen.has(unit)) { isCycle = true; break; }
      seen.add(unit);
      unit = span >= 0 ? this.holderOf(span) : -1;
    }
    return { links, isCycle, isStuck: isCycle && this.stuck.has(unit) };
  }

  // The longest spans of units in a state.
  longest(state, most) {
    const { spans, units } = this, best = [];
    let least = 0;
    for (let i = 0; i < spans.count; i++) {
      if (spans.state[i] !== state) continue;
      const length = spans.end[i] - spans.begin[i], unit = spans.unit[i];
      if (length <= least || unit < 0 || units.row[unit] !== spans.row[i] || this.kindOfRow(spans.row[i]) === CHILDREN) continue;
      best.push(i);
      if (best.length > 4 * most) {
        best.sort((a, b) => spans.end[b] - spans.begin[b] - spans.end[a] + spans.begin[a]).length = most;
        least = spans.end[best[most - 1]] - spans.begin[best[most - 1]];
      }
    }
    return best.sort((a, b) => spans.end[b] - spans.begin[b] - spans.end[a] + spans.begin[a]).slice(0, most);
  }

  // What a span says, in words.
  words(span) {
    const { spans, causes, resources, texts, threads } = this, state = spans.state[span], lines = [];
    if (this.kindOfRow(spans.row[span]) === LOCKS && state === RUNNING) lines.push(`held by ${spans.unit[span] >= 0 ? this.nameOf(spans.unit[span]) : 'a thread'}`);
    else if (state === RUNNING && this.units.row[spans.unit[span]] === spans.row[span] && spans.thread[span] >= 0) lines.push(`runs on ${threads.name[spans.thread[span]]}`);
    else if (state === RUNNING) lines.push(spans.holder[span] >= 0 ? `runs in ${this.nameOf(spans.holder[span])}` : 'runs');
    else if (state === READY) lines.push(this.kindOfRow(spans.row[span]) === CHILDREN ? 'starts' : 'ready, not yet run');
    else if (state === PARKED) lines.push(this.kindOfRow(spans.row[span]) === CHILDREN ? 'idle: no call is under way' : 'sleeps: there is nothing to run');
    else if (state === MERGED) lines.push(`many short spans: ${this.shares(span).map((share, state) => `${share < 0.005 && share ? '< 1' : Math.round(share * 100)} % ${['ready', 'running', 'waiting'][state]}`).join(', ')}`);
    else {
      const cause = causes[spans.cause[span]], resource = spans.resource[span];
      lines.push(`waits${resource >= 0 ? ` for ${this.resourceName(resource)}` : ''}${cause ? ` (${cause})` : ''}`);
      const holder = spans.holder[span];
      if (holder >= 0) lines.push(`held by ${this.nameOf(holder)}`);
      if (spans.site[span] >= 0) lines.push(`at ${texts[spans.site[span]]}`);
      const wake = spans.unit[span] >= 0 ? this.wakeOf(spans.unit[span], spans.end[span]) : -1;
      if (wake >= 0 && this.wakes.from[wake] >= 0) lines.push(`woken by ${this.nameOf(this.wakes.from[wake])}`);
    }
    return lines;
  }

  // In which parts of merged spans they were ready, ran and waited.
  shares(span) { const { merged, shares } = this.spans; return shares.map(of => of[merged.get(span)] / 255); }

  resourceName(resource) {
    const unit = this.resources.unit[resource];
    return unit >= 0 ? this.nameOf(unit) : this.resources.name[resource];
  }

  // The levels above the spans of a row: for each node, the time in each state. Made when they are first drawn.
  pyramid(row) {
    let levels = this.pyramids.get(row);
    if (levels) return levels;
    levels = [];
    const { spans } = this, low = this.rowFirst[row];
    let count = this.rowFirst[row + 1] - low, below = null;
    while (count > FAN) {
      const nodes = Math.ceil(count / FAN), level = { count: nodes, time: [0, 1, 2, 3, 4].map(() => new Float32Array(nodes)), end: new Float64Array(nodes) };
      for (let i = 0; i < count; i++) {
        const node = (i / FAN) | 0;
        if (below) for (let state = 0; state < 5; state++) level.time[state][node] += below.time[state][i];
        else level.time[spans.state[low + i]][node] += spans.end[low + i] - spans.begin[low + i];
        level.end[node] = below ? below.end[i] : spans.end[low + i];
      }
      levels.push(level);
      below = level; count = nodes;
    }
    this.pyramids.set(row, levels);
    return levels;
  }

  // The next or previous moment at which any row changes its state.
  change(time, direction) {
    const { begin } = this.spans;
    let best = direction > 0 ? this.length : 0;
    for (let row = 0; row + 1 < this.rowFirst.length; row++) {
      const low = this.rowFirst[row], high = this.rowFirst[row + 1];
      if (direction > 0) {
        const i = first(low, high, i => begin[i] > time);
        if (i < high && begin[i] < best) best = begin[i];
      } else {
        const i = first(low, high, i => begin[i] >= time) - 1;
        if (i >= low && begin[i] > best) best = begin[i];
      }
    }
    return best;
  }
}

function duration(nanos) {
  const size = Math.abs(nanos);
  if (size < 1e3) return `${Math.round(nanos)} ns`;
  if (size < 1e6) return `${(nanos / 1e3).toFixed(1)} µs`;
  if (size < 1e9) return `${(nanos / 1e6).toFixed(size < 1e7 ? 2 : 1)} ms`;
  return `${(nanos / 1e9).toFixed(3)} s`;
}

// "1.5 s", "350ms", "12 us", or a plain number of seconds; NaN if it is none of these.
function parseTime(text) {
  const match = /^\s*([0-9]*\.?[0-9]+)\s*(ns|us|µs|ms|s)?\s*$/.exec(text);
  return match ? Number(match[1]) * { ns: 1, us: 1e3, 'µs': 1e3, ms: 1e6, s: 1e9 }[match[2] || 's'] : NaN;
}
