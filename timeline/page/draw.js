// Drawing. Rows are painted as pixels of an image: a row costs what its pixels cost, however many spans it has.
// Hatches, names and arrows come on top, for spans that are wide enough to carry them.

const ARROWS_MAX = 400;
const HATCH_WIDTH_MIN = 5; // pixels
const NAME_WIDTH_MIN = 34; // pixels

class Painter {
  constructor(model, view, canvas, minimap) {
    Object.assign(this, { model, view, canvas, minimap, context: canvas.getContext('2d', { alpha: false }) });
    this.bins = new Map();
  }

  setTheme(name) {
    this.colours = new Colours(this.model, name, this.view.scale);
    this.patterns = this.colours.hatches.map(hatch => this.context.createPattern(hatch, 'repeat'));
    this.bins.clear();
  }

  resize() {
    const { view, canvas } = this, scale = view.scale = Math.min(window.devicePixelRatio || 1, 2);
    const box = canvas.parentElement.getBoundingClientRect();
    view.width = Math.max(box.width, 100); view.height = Math.max(box.height, 60);
    const width = Math.round(view.width * scale), height = Math.round(view.height * scale);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; this.image = null; }
    this.minimap.width = Math.round(this.minimap.clientWidth * scale); this.minimap.height = Math.round(38 * scale);
    view.clamp();
  }

  draw() {
    const { view, context: c, colours: { theme } } = this, s = view.scale;
    const visible = view.items.filter(item => item.y + item.h > view.scroll && item.y < view.scroll + view.lanesHeight);
    this.paintRows(visible);
    c.setTransform(s, 0, 0, s, 0, 0);
    c.save();
    c.beginPath(); c.rect(view.gutter, view.axis, view.lanesWidth, view.lanesHeight); c.clip();
    for (const item of visible) {
      if (item.type === 'row') this.decorate(item);
      if (item.type === 'queue') this.drawQueue(item);
    }
    this.drawArrows(visible);
    this.drawEdges(visible);
    for (const item of visible) if (item.type === 'row') this.drawMarks(item);
    c.restore();
    this.drawNames(visible);
    this.drawAxis();
    const x = view.x(view.now);
    if (x >= view.gutter) { c.fillStyle = theme.cursor; c.fillRect(x - 0.5, 0, 1, view.height); }
  }

  y(item) { return item.y - this.view.scroll + this.view.axis; }

  paintRows(visible) {
    const { view, canvas, context, colours: { pixels } } = this, s = view.scale, width = canvas.width;
    if (!this.image) {
      this.image = new ImageData(width, canvas.height);
      this.words = new Uint32Array(this.image.data.buffer);
      this.line = new Uint32Array(width);
    }
    const { words, line } = this, left = Math.round(view.gutter * s), top = Math.round(view.axis * s);
    words.fill(pixels.back);
    for (const item of visible) {
      const y0 = Math.round(this.y(item) * s), y1 = Math.round((this.y(item) + item.h) * s), gap = Math.round(2 * s);
      line.fill(pixels.back);
      if (item.type === 'head') line.fill(pixels.band);
      if (item.type === 'row') this.paintRow(item.index, left);
      if (item.type === 'summary') { this.paintSummary(item, left, Math.max(y0, top), y1 - gap); continue; }
      const stop = Math.min(item.type === 'row' ? y1 - gap : y1, canvas.height);
      for (let y = Math.max(y0, top); y < stop; y++) words.set(line, y * width);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.putImageData(this.image, 0, 0);
  }

  // Fills `this.line` with the colours of a row.
  paintRow(row, left) {
    const { model, view, line, colours } = this, { spans } = model, width = line.length - left;
    const [low, high] = model.range(row, view.t0, view.t1), perPixel = (view.t1 - view.t0) / width;
    let level = -1, count = high - low;
    const levels = count > 4 * width ? model.pyramid(row) : [];
    while (count > 4 * width && level + 1 < levels.length) { level++; count = Math.ceil(count / FAN); }
    if (level >= 0) return this.paintNodes(row, low, high, level, left);
    const dim = view.found;
    let last = -1;
    for (let i = low; i < high; i++) {
      const from = Math.max(0, Math.floor((spans.begin[i] - view.t0) / perPixel));
      let to = Math.min(width, Math.ceil((spans.end[i] - view.t0) / perPixel));
      if (to <= from) to = from + 1;
      // Within one pixel, a run is the most worth seeing.
      const start = from === last && spans.state[i] !== RUNNING ? from + 1 : from;
      let colour = colours.span(model, i);
      if (dim && !dim.has(spans.unit[i])) colour = mix(colour, colours.pixels.back, 0.75);
      if (start < to) line.fill(colour, left + start, left + to);
      last = to - 1;
    }
  }

  paintNodes(row, low, high, level, left) {
    const { model, view, line, colours } = this, { spans } = model, width = line.length - left;
    const start = model.rowFirst[row], size = FAN ** (level + 1), nodes = model.pyramid(row)[level], perPixel = (view.t1 - view.t0) / width;
    const base = [colours.pixels.ready, colours.run(model, spans.unit[low]), colours.pixels.wait, colours.pixels.parked, colours.pixels.merged];
    for (let node = Math.floor((low - start) / size); node * size + start < high; node++) {
      const begin = spans.begin[start + node * size];
      const from = Math.max(0, Math.floor((begin - view.t0) / perPixel)), to = Math.min(width, Math.ceil((nodes.end[node] - view.t0) / perPixel));
      let total = 0, colour = colours.pixels.back;
      for (let state = 0; state < 5; state++) {
        const time = nodes.time[state][node];
        total += time;
        if (time > 0) colour = mix(colour, base[state], time / total);
      }
      line.fill(colour, left + from, left + Math.max(to, from + 1));
    }
  }

  // For a group, how much time its units spend in each state, in pieces of the whole length. 2048 are more than most screens show.
  binsOf(group) {
    let bins = this.bins.get(group);
    if (bins) return bins;
    const { model } = this, { spans } = model, count = 2048, width = Math.max(model.length, 1) / count;
    bins = [0, 1, 2].map(() => new Float32Array(count));
    const [lowRow, highRow] = group < 0 ? [0, model.rows.name.length] : model.groupRows[group];
    for (let row = lowRow; row < highRow; row++) {
      if (group < 0 && (model.kindOfRow(row) === THREADS || model.kindOfRow(row) === LOCKS)) continue;
      for (let i = model.rowFirst[row]; i < model.rowFirst[row + 1]; i++) {
        const state = spans.state[i] === MERGED ? RUNNING : spans.state[i];
        if (state > 2) continue;
        const { [i]: begin } = spans.begin, { [i]: end } = spans.end;
        const to = Math.min(count - 1, Math.floor(end / width));
        for (let bin = Math.floor(begin / width); bin <= to; bin++) bins[state][bin] += Math.max(0, Math.min(end, (bin + 1) * width) - Math.max(begin, bin * width)) / width;
      }
    }
    bins.most = 1;
    for (let bin = 0; bin < count; bin++) bins.most = Math.max(bins.most, bins[0][bin] + bins[1][bin] + bins[2][bin]);
    this.bins.set(group, bins);
    return bins;
  }

  // A folded group: how many units run, are ready and wait, one above the other.
  paintSummary(item, left, y0, y1) {
    const { view, words, canvas, colours } = this, bins = this.binsOf(item.index), width = canvas.width - left, height = y1 - y0;
    const run = colours.runs[colours.ofGroup[item.index]];
    for (let x = 0; x < width; x++) {
      const bin = Math.floor((view.t0 + x / width * (view.t1 - view.t0)) / Math.max(this.model.length, 1) * 2048);
      if (bin < 0 || bin >= 2048) continue;
      const a = bins[1][bin] / bins.most * height, b = a + bins[0][bin] / bins.most * height, d = b + bins[2][bin] / bins.most * height;
      for (let up = 0; up < Math.ceil(d); up++) {
        const y = y1 - 1 - up;
        if (y >= y0 && y < canvas.height) words[y * canvas.width + left + x] = up < a ? run : up < b ? colours.pixels.ready : colours.pixels.wait;
      }
    }
  }

  // Hatches and names on the spans of a row that are wide enough, and a frame around the chosen one.
  decorate(item) {
    const { model, view, context: c, colours } = this, { spans } = model, y = this.y(item), h = item.h - 2;
    const [low, high] = model.range(item.index, view.t0, view.t1), isThread = model.kindOfRow(item.index) === THREADS;
    c.font = `${view.font - 1}px system-ui, sans-serif`; c.textBaseline = 'middle';
    if (high - low <= view.lanesWidth) for (let i = low; i < high; i++) {
      const x0 = Math.max(view.x(spans.begin[i]), view.gutter), width = Math.min(view.x(spans.end[i]), view.width) - x0;
      if (width < HATCH_WIDTH_MIN) continue;
      const state = spans.state[i], reason = state === WAITING ? colours.causeReason[spans.cause[i]] : -1;
      if (reason >= 0) {
        c.fillStyle = colours.theme.wait; c.fillRect(x0, y, width, h);
        c.save(); c.setTransform(1, 0, 0, 1, 0, 0); c.fillStyle = this.patterns[reason];
        const s = view.scale; c.fillRect(Math.round(x0 * s), Math.round(y * s), Math.round(width * s), Math.round(h * s)); c.restore();
      }
      if (width < NAME_WIDTH_MIN || state === PARKED && isThread) continue;
      this.label(i, x0, y, width, h, isThread);
    }
    if (this.view.span >= 0 && spans.row[view.span] === item.index) this.frame(view.span, y, h);
    else if (view.row === item.index) { c.strokeStyle = colours.theme.accent; c.lineWidth = 1; c.strokeRect(view.gutter + 0.5, y - 0.5, view.lanesWidth - 1, h + 1); }
  }

  label(i, x, y, width, h, isThread) {
    const { model, context: c, colours: { theme } } = this, { spans } = model, state = spans.state[i];
    let text = '';
    if (isThread && spans.unit[i] >= 0 && state === RUNNING) text = model.nameOf(spans.unit[i]);
    else if (state === WAITING) {
      const holder = model.holderOf(i), cause = model.causes[spans.cause[i]];
      text = holder >= 0 ? model.nameOf(holder) : spans.resource[i] >= 0 && !/^(timer|source)#/.test(model.resourceName(spans.resource[i])) ? model.resourceName(spans.resource[i]) : cause;
    } else if (!isThread && spans.unit[i] >= 0 && state === RUNNING) text = model.nameOf(spans.unit[i]);
    const room = width - 8;
    if (!text || c.measureText(text.slice(0, 4)).width > room) return;
    while (text.length > 1 && c.measureText(text).width > room) text = text.slice(0, Math.min(text.length - 1, Math.ceil(text.length * room / c.measureText(text).width))).replace(/…?$/, '…').replace(/.…$/, '…');
    if (state === WAITING) { c.fillStyle = theme.wait; c.fillRect(x + 2, y + 2, c.measureText(text).width + 4, h - 4); }
    c.fillStyle = state === RUNNING ? theme.onRun : theme.ink;
    c.fillText(text, x + 4, y + h / 2 + 0.5);
  }

  frame(i, y, h) {
    const { model: { spans }, view, context: c, colours: { theme } } = this;
    const x0 = Math.max(view.x(spans.begin[i]), view.gutter - 4), x1 = Math.min(view.x(spans.end[i]), view.width + 4);
    c.strokeStyle = theme.cursor; c.lineWidth = 2;
    c.strokeRect(x0 - 1, y - 1, Math.max(x1 - x0, 2) + 2, h + 2);
  }

  drawQueue(item) {
    const { model, view, context: c, colours: { theme } } = this, queue = model.queues[item.index], y = this.y(item);
    let most = queue.most;
    if (!most) { most = 1; for (const depth of queue.depth) most = Math.max(most, depth); queue.most = most; }
    const h = item.h - 6, base = y + item.h - 2, up = depth => base - depth / most * h, { at, depth, count } = queue;
    let i = Math.max(0, first(0, count, i => at[i] > view.t0) - 1);
    c.beginPath(); c.moveTo(view.gutter, base);
    let level = i < count && at[i] <= view.t0 ? depth[i++] : 0;
    for (let px = 0; px < view.lanesWidth; px++) {
      const until = view.t0 + (px + 1) * view.perPixel;
      let high = level;
      const next = first(i, count, i => at[i] >= until);
      // Of many points in one pixel, a look at some finds the height.
      for (let step = Math.max(1, Math.floor((next - i) / 16)); i < next; i += step) high = Math.max(high, depth[i]);
      i = next;
      c.lineTo(view.gutter + px, up(high)); c.lineTo(view.gutter + px + 1, up(high));
      if (next > 0) level = depth[next - 1];
    }
    c.lineTo(view.width, base); c.closePath();
    c.globalAlpha = 0.35; c.fillStyle = theme.ready; c.fill(); c.globalAlpha = 1; c.strokeStyle = theme.ready; c.lineWidth = 1; c.stroke();
    c.fillStyle = theme.faint; c.textBaseline = 'top'; c.textAlign = 'right'; c.fillText(`at most ${most}`, view.width - 4, y + 1); c.textAlign = 'left';
  }

  // Marks: a flag at the moment, and its text where there is room until the next one.
  drawMarks(item) {
    const { model, view, context: c, colours: { theme } } = this, { marks, texts } = model, y = this.y(item), h = item.h - 2;
    const found = model.marksOf(item.index, view.t0, view.t1);
    if (found.length > view.lanesWidth) return;
    c.font = `${view.font - 1}px system-ui, sans-serif`; c.textBaseline = 'middle';
    found.forEach((mark, place) => {
      const x = view.x(marks.at[mark]), next = place + 1 < found.length ? view.x(marks.at[found[place + 1]]) : view.width;
      const text = marks.text[mark] >= 0 ? texts[marks.text[mark]] : '', colour = marks.fault[mark] || text.startsWith('stale') ? theme.fault : theme.cursor, width = c.measureText(text).width;
      c.fillStyle = colour; c.fillRect(x - 1, y, 2, h);
      c.beginPath(); c.moveTo(x, y); c.lineTo(x + 6, y + 3); c.lineTo(x, y + 6); c.fill();
      const left = x + width + 14 > view.width && x - width - 12 > view.gutter && !place;
      if (!left && next - x < width + 12) return;
      const at = left ? x - width - 8 : x + 8;
      c.fillStyle = theme.back; c.globalAlpha = 0.85; c.fillRect(at - 2, y + 1, width + 4, h - 2); c.globalAlpha = 1;
      c.fillStyle = colour; c.fillText(text, at, y + h / 2 + 0.5);
    });
  }

  // Arrows from the waker to the woken: all if there are few, else those of the chosen unit.
  drawArrows(visible) {
    const { model: { wakes, units, threads }, view, colours: { theme } } = this;
    const low = first(0, wakes.count, i => wakes.at[i] >= view.t0), high = first(low, wakes.count, i => wakes.at[i] > view.t1);
    const isFew = high - low <= ARROWS_MAX;
    if (!isFew && (view.unit < 0 || high - low > 200000)) return;
    const yOf = this.rowTops(visible);
    for (let i = low; i < high; i++) {
      const chosen = wakes.to[i] === view.unit || wakes.from[i] === view.unit;
      if (!isFew && !chosen) continue;
      const source = wakes.from[i] >= 0 ? units.row[wakes.from[i]] : wakes.thread[i] >= 0 ? threads.row[wakes.thread[i]] : -1;
      const from = yOf(source), to = yOf(units.row[wakes.to[i]]), x = view.x(wakes.at[i]);
      this.arrow(x, from, x, to, theme.faint, chosen && view.unit >= 0);
    }
  }

  // Lines from one process to another: all if there are few, else those of the chosen unit.
  drawEdges(visible) {
    const { model: { edges, longestEdge }, view, colours: { theme } } = this;
    const low = first(0, edges.count, i => edges.begin[i] >= view.t0 - longestEdge), high = first(low, edges.count, i => edges.begin[i] > view.t1);
    const isFew = high - low <= ARROWS_MAX, yOf = this.rowTops(visible);
    if (!isFew && (view.unit < 0 || high - low > 200000)) return;
    for (let i = low; i < high; i++) {
      const chosen = edges.unit[i] === view.unit;
      if (isFew || chosen) this.arrow(view.x(edges.begin[i]), yOf(edges.from[i]), view.x(edges.end[i]), yOf(edges.to[i]), theme.edge, chosen && view.unit >= 0);
    }
  }

  // Where a row begins, on the screen or not; nothing if its group is folded. Arrows between rows that are both off the screen are not drawn.
  rowTops(visible) {
    const { view } = this, seen = new Set(visible.filter(item => item.type === 'row').map(item => item.index));
    return row => view.rowY.has(row) ? { top: view.rowY.get(row) - view.scroll + view.axis, isSeen: seen.has(row) } : undefined;
  }

  arrow(x0, from, x1, to, colour, isChosen) {
    if (!from || !to || from.top === to.top || !from.isSeen && !to.isSeen) return;
    const { view, context: c, colours: { theme } } = this, h = view.rowHeight - 2, down = to.top > from.top;
    const y0 = down ? from.top + h : from.top, y1 = down ? to.top : to.top + h, tip = down ? -5 : 5;
    c.strokeStyle = c.fillStyle = isChosen ? theme.accent : colour;
    c.globalAlpha = isChosen ? 1 : 0.55; c.lineWidth = isChosen ? 2 : 1;
    c.beginPath(); c.moveTo(x0, y0); c.lineTo(x1, y1 + tip / 2); c.stroke();
    c.beginPath(); c.moveTo(x1, y1); c.lineTo(x1 - 3, y1 + tip); c.lineTo(x1 + 3, y1 + tip); c.fill();
    c.globalAlpha = 1;
  }

  drawNames(visible) {
    const { model, view, context: c, colours: { theme } } = this;
    c.save(); c.beginPath(); c.rect(0, view.axis, view.width, view.lanesHeight); c.clip();
    c.textBaseline = 'middle'; c.font = `${view.font}px system-ui, sans-serif`;
    const fit = (text, room) => {
      if (c.measureText(text).width <= room) return text;
      // Of a place in the program, the end says the most.
      const isPlace = /:\d+/.test(text);
      let length = Math.floor(text.length * room / c.measureText(text).width);
      while (length > 1) {
        const short = isPlace ? `…${text.slice(-length)}` : `${text.slice(0, length)}…`;
        if (c.measureText(short).width <= room) return short;
        length--;
      }
      return '';
    };
    for (const item of visible) {
      const y = this.y(item);
      if (item.type === 'head') {
        const isFolded = view.folded.has(item.index), [low, high] = model.groupRows[item.index];
        c.fillStyle = theme.ink; c.font = `600 ${view.font}px system-ui, sans-serif`;
        const members = model.groups.members[item.index], rows = high - low;
        c.fillText(`${isFolded ? '▸' : '▾'} ${model.groups.name[item.index]} (${members.toLocaleString('en')}${rows < members ? ` in ${rows} rows` : ''})`, 5, y + item.h / 2 + 0.5);
        c.font = `${view.font}px system-ui, sans-serif`;
      } else {
        const text = item.type === 'row' ? `${model.missing.has(item.index) ? '⚠ ' : ''}${model.rows.name[item.index]}` : item.type === 'queue' ? model.queues[item.index].name : 'running, ready, waiting';
        c.fillStyle = item.type === 'row' && item.index === view.row ? theme.accent : item.type === 'row' ? theme.ink : theme.faint;
        c.fillText(fit(text, view.gutter - 24), 18, y + item.h / 2);
      }
    }
    c.restore();
  }

  drawAxis() {
    const { view, context: c, colours: { theme } } = this, width = view.t1 - view.t0;
    c.fillStyle = theme.back; c.fillRect(0, 0, view.width, view.axis);
    c.strokeStyle = theme.line; c.lineWidth = 1; c.beginPath(); c.moveTo(0, view.axis - 0.5); c.lineTo(view.width, view.axis - 0.5); c.stroke();
    let step = 10 ** Math.floor(Math.log10(width / view.lanesWidth * 110));
    for (const factor of [1, 2, 5, 10]) if (step * factor / view.perPixel >= 80) { step *= factor; break; }
    c.fillStyle = theme.faint; c.font = `${view.font - 1}px system-ui, sans-serif`; c.textBaseline = 'middle'; c.textAlign = 'left';
    for (let time = Math.max(0, Math.ceil(view.t0 / step) * step); time <= Math.min(view.t1, this.model.length); time += step) {
      const x = view.x(time);
      c.fillRect(x, view.axis - 5, 1, 5);
      c.globalAlpha = 0.12; c.fillRect(x, view.axis, 1, view.lanesHeight); c.globalAlpha = 1;
      if (x + 60 < view.width) c.fillText(tick(time, step), x + 3, view.axis / 2);
    }
    c.fillText(`${duration(width)} shown`, 5, view.axis / 2);
  }

  drawMinimap() {
    const { model, view, minimap, colours: { theme } } = this, c = minimap.getContext('2d'), { width, height } = minimap;
    const bins = this.binsOf(-1), length = Math.max(model.length, 1);
    c.fillStyle = theme.band; c.fillRect(0, 0, width, height);
    for (let x = 0; x < width; x++) {
      const bin = Math.floor(x / width * 2048);
      let y = height;
      for (const [state, colour] of [[1, theme.runs[0]], [0, theme.ready], [2, theme.merged]]) {
        const h = bins[state][bin] / bins.most * (height - 2);
        c.globalAlpha = state === 2 ? 0.45 : 1; c.fillStyle = colour; c.fillRect(x, y - h, 1, h);
        y -= h;
      }
    }
    c.globalAlpha = 1;
    const x0 = view.t0 / length * width, x1 = view.t1 / length * width;
    c.fillStyle = theme.back; c.globalAlpha = 0.6; c.fillRect(0, 0, Math.max(x0, 0), height); c.fillRect(x1, 0, width, height); c.globalAlpha = 1;
    c.strokeStyle = theme.accent; c.lineWidth = 2; c.strokeRect(Math.max(x0, 1), 1, Math.max(Math.min(x1, width) - Math.max(x0, 0) - 2, 3), height - 2);
    c.fillStyle = theme.cursor; c.fillRect(view.now / length * width - 0.5, 0, 1, height);
  }
}

// A time on the axis, with as many digits as the step needs.
function tick(time, step) {
  const [unit, name] = step >= 1e8 ? [1e9, 's'] : step >= 1e5 ? [1e6, 'ms'] : step >= 100 ? [1e3, 'µs'] : [1, 'ns'];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return time === 0 ? '0' : `${(time / unit).toFixed(digits)} ${name}`;
}
