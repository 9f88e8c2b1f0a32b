// The part of the timeline that is on the screen: the time from t0 to t1, and rows from scroll on.

const SHORTEST_VIEW = 50; // ns
const FOLD_ROWS_MIN = 40; // rows: a group with more is folded at first

class View {
  constructor(model) {
    this.model = model;
    this.t0 = 0; this.t1 = Math.max(model.length, 1);
    this.scroll = 0; this.width = 800; this.height = 600; this.scale = 1;
    this.now = 0; this.unit = -1; this.span = -1; this.row = -1; this.hover = -1;
    this.found = null;
    this.folded = new Set();
    model.groupRows.forEach(([low, high], group) => { if (high - low > FOLD_ROWS_MIN) this.folded.add(group); });
    this.setType(1);
  }

  // Sizes in CSS pixels, for a factor of the type.
  setType(factor) {
    this.rowHeight = Math.round(18 * factor); this.headHeight = Math.round(21 * factor); this.axis = Math.round(24 * factor);
    this.queueHeight = Math.round(34 * factor); this.font = Math.round(12 * factor); this.gutterMax = Math.round(190 * factor);
    this.layout();
  }

  // What stands below what: queues, headings, rows, and for a folded group a summary.
  layout() {
    const { model } = this, items = [];
    let y = 0;
    const add = (type, index, h) => { items.push({ type, index, y, h }); y += h; };
    model.groups.name.forEach((_, group) => {
      const [low, high] = model.groupRows[group];
      if (group === 1 || model.groups.kind[0] !== THREADS && group === 0) model.queues.forEach((_, queue) => add('queue', queue, this.queueHeight));
      add('head', group, this.headHeight);
      if (this.folded.has(group)) add('summary', group, this.rowHeight * 2);
      else for (let row = low; row < high; row++) add('row', row, this.rowHeight);
    });
    if (model.groups.name.length === 1) model.queues.forEach((_, queue) => add('queue', queue, this.queueHeight));
    this.items = items; this.total = y + 8;
    this.rowY = new Map(items.filter(item => item.type === 'row').map(item => [item.index, item.y]));
    this.clamp();
  }

  get gutter() { return Math.min(this.gutterMax, this.width * 0.3); }
  get lanesWidth() { return Math.max(50, this.width - this.gutter); }
  get lanesHeight() { return this.height - this.axis; }
  get perPixel() { return (this.t1 - this.t0) / this.lanesWidth; }

  x(time) { return this.gutter + (time - this.t0) / this.perPixel; }
  time(x) { return this.t0 + (x - this.gutter) * this.perPixel; }

  clamp() {
    const length = Math.max(this.model.length, 1);
    let width = Math.min(Math.max(this.t1 - this.t0, SHORTEST_VIEW), length * 1.1);
    let middle = (this.t0 + this.t1) / 2;
    middle = Math.min(Math.max(middle, 0), length);
    if (width > length) middle = length / 2;
    this.t0 = middle - width / 2; this.t1 = middle + width / 2;
    this.scroll = Math.min(Math.max(this.scroll, 0), Math.max(0, this.total - this.lanesHeight));
  }

  zoom(factor, at = (this.t0 + this.t1) / 2) {
    const width = Math.min(Math.max((this.t1 - this.t0) * factor, SHORTEST_VIEW), this.model.length * 1.1);
    factor = width / (this.t1 - this.t0);
    this.t0 = at - (at - this.t0) * factor; this.t1 = this.t0 + width;
    this.clamp();
  }

  pan(time, pixels = 0) { this.t0 += time; this.t1 += time; this.scroll += pixels; this.clamp(); }
  show(t0, t1) { this.t0 = t0; this.t1 = Math.max(t1, t0 + SHORTEST_VIEW); this.clamp(); }

  fit() {
    const margin = this.model.length * 0.02;
    this.show(-margin, this.model.length + margin);
  }

  // Brings a row onto the screen, unfolding its group.
  revealRow(row) {
    if (this.folded.delete(this.model.rows.group[row])) this.layout();
    const y = this.rowY.get(row);
    if (y < this.scroll || y + this.rowHeight > this.scroll + this.lanesHeight) this.scroll = y - this.lanesHeight / 2;
    this.clamp();
  }

  // Brings a time onto the screen, and keeps the zoom unless the span is far smaller or larger than the view. A moment is no span.
  revealTime(begin, end) {
    const length = Math.max(end - begin, SHORTEST_VIEW), width = this.t1 - this.t0;
    if (length > width || begin < end && length < width / 400) this.show(begin - length * 2, end + length * 2);
    else if (begin < this.t0 || end > this.t1) this.show((begin + end - width) / 2, (begin + end + width) / 2);
  }

  itemAt(y) {
    const at = y - this.axis + this.scroll;
    return y < this.axis ? undefined : this.items.find(item => at >= item.y && at < item.y + item.h);
  }

  // The span under the pointer, or −1; short spans are caught two pixels around.
  spanAt(x, y) {
    const item = this.itemAt(y);
    if (!item || item.type !== 'row' || x < this.gutter) return -1;
    const { spans } = this.model, time = this.time(x), near = 2 * this.perPixel;
    const [low, high] = this.model.range(item.index, time - near, time + near);
    let best = -1, distance = Infinity;
    for (let i = low; i < high && i < low + 200; i++) {
      const off = Math.max(spans.begin[i] - time, time - spans.end[i], 0) - (spans.state[i] === RUNNING ? near / 2 : 0);
      if (off < distance) { best = i; distance = off; }
    }
    return best;
  }
}
