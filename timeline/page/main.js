// The page: it puts the parts together, and keeps what is chosen and shown in the address.

class App {
  constructor(model) {
    this.model = model;
    this.canvas = document.getElementById('lanes');
    const minimap = document.getElementById('minimap');
    this.view = new View(model);
    this.painter = new Painter(model, this.view, this.canvas, minimap);
    this.panel = new Panel(this);
    this.replay = new Replay(this);
    this.input = new Input(this, this.canvas, minimap);
    this.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    this.tip = document.getElementById('tip');
    this.frames = [];
    this.view.fit();
    this.wire();
    this.setTheme(this.theme);
    this.panel.showStart();
    this.readAddress();
    addEventListener('resize', () => { this.painter.resize(); this.changed(); });
    // Paper is light.
    const paper = matchMedia('print');
    paper.addEventListener('change', () => this.print(paper.matches));
    addEventListener('beforeprint', () => this.print(true)); addEventListener('afterprint', () => this.print(false));
    addEventListener('hashchange', () => { if (location.hash !== this.address) { this.readAddress(); this.changed(); } });
    this.painter.resize();
    this.replay.show();
    this.paint();
    this.print(paper.matches);
  }

  wire() {
    const on = (id, act, name = 'click') => document.getElementById(id).addEventListener(name, event => { if (name === 'submit') event.preventDefault(); act(event); this.changed(); });
    on('zoom-in', () => this.view.zoom(0.5)); on('zoom-out', () => this.view.zoom(2)); on('fit', () => this.view.fit());
    on('theme', () => this.toggleTheme()); on('projector', () => this.toggleProjector()); on('help-button', () => this.toggleHelp());
    on('table-button', event => { const isShown = document.getElementById('table-view').hidden; event.target.setAttribute('aria-pressed', isShown); this.panel.showTable(isShown); });
    on('search', event => this.panel.showFound(event.target.value), 'input');
    on('search-form', () => this.panel.nextMatch(), 'submit');
    on('goto-form', () => {
      const field = document.getElementById('goto'), time = parseTime(field.value), isTime = time >= 0 && time <= this.model.length;
      field.setCustomValidity(isTime ? '' : `A time from 0 to ${duration(this.model.length)}, such as 1.5 ms`);
      field.reportValidity();
      if (!isTime) return;
      const width = Math.min(this.view.t1 - this.view.t0, this.model.length / 10);
      this.view.show(time - width / 2, time + width / 2); this.replay.go(time); this.canvas.focus();
    }, 'submit');
    document.getElementById('goto').addEventListener('input', event => event.target.setCustomValidity(''));
  }

  // The next frame draws; what is slow to put together follows a little later.
  changed() {
    if (!this.isDue) { this.isDue = true; requestAnimationFrame(() => { this.isDue = false; this.paint(); }); }
    if (!this.isPanelDue) { this.isPanelDue = true; setTimeout(() => { this.isPanelDue = false; this.replay.show(); this.writeAddress(); }, 80); }
  }

  paint() {
    const start = performance.now();
    this.painter.draw();
    this.painter.drawMinimap();
    this.lastFrame = performance.now() - start;
  }

  // --- what is chosen ---

  choose(span, keepView = false) {
    const { view, model: { spans } } = this;
    view.span = span; view.unit = spans.unit[span]; view.row = spans.row[span];
    if (!keepView) { view.revealRow(view.row); view.revealTime(spans.begin[span], spans.end[span]); view.now = spans.begin[span]; }
    this.panel.showDetails();
    this.changed();
  }

  chooseUnit(unit, time) {
    const { model, view } = this, { units } = model;
    const spans = model.spansOf(unit);
    let span = time === undefined ? -1 : model.spanOfUnitAt(unit, time);
    if (span < 0) span = spans.length ? spans[0] : -1;
    if (span >= 0 && time !== undefined) { view.now = time; view.revealRow(units.row[unit]); view.revealTime(time, time); return this.choose(span, true); }
    if (span >= 0) return this.choose(span);
    view.unit = unit; view.span = -1; view.row = units.row[unit];
    view.revealRow(view.row); view.revealTime(units.begin[unit], units.end[unit]);
    this.panel.showDetails();
    this.changed();
  }

  // The moment of a mark, and as much around it as its span needs.
  chooseMark(mark) {
    const { view, model: { marks, spans } } = this, at = marks.at[mark];
    this.chooseUnit(marks.unit[mark], at);
    if (view.span >= 0 && spans.begin[view.span] <= at && at <= spans.end[view.span]) view.revealTime(spans.begin[view.span], spans.end[view.span]);
  }

  chooseNothing() { Object.assign(this.view, { unit: -1, span: -1, row: -1 }); this.panel.showDetails(); this.changed(); }

  escape() {
    document.getElementById('help').hidden = true;
    const search = document.getElementById('search');
    if (document.activeElement !== document.body && document.activeElement !== this.canvas) { if (document.activeElement === search) { search.value = ''; this.panel.showFound(''); } this.canvas.focus(); }
    else this.chooseNothing();
    this.changed();
  }

  nextRow(direction) {
    const rows = this.view.items.filter(item => item.type === 'row').map(item => item.index);
    if (!rows.length) return;
    const at = rows.indexOf(this.view.row), row = rows[at < 0 ? (direction > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + direction, 0), rows.length - 1)];
    this.view.revealRow(row);
    const { rowFirst, spans } = this.model, low = rowFirst[row], high = rowFirst[row + 1];
    // The span at this moment, or the last one before it.
    if (low < high) return this.choose(Math.max(low, first(low, high, i => spans.begin[i] > this.view.now) - 1), true);
    Object.assign(this.view, { row, span: -1, unit: -1 });
    this.panel.showDetails();
  }

  nextSpan(direction) {
    const { view, model } = this;
    if (view.row < 0) return this.nextRow(1);
    const span = view.span < 0 ? model.rowFirst[view.row] : view.span + direction;
    if (span >= model.rowFirst[view.row] && span < model.rowFirst[view.row + 1]) this.choose(span);
  }

  // From a wait to the unit that must act; from anything else to the unit that woke or spawned it.
  follow() {
    const { view, model } = this, { spans, units, wakes } = model;
    if (view.span < 0) return;
    const holder = model.holderOf(view.span);
    const time = Math.min(Math.max(view.now, spans.begin[view.span]), spans.end[view.span]);
    if (holder >= 0) return this.chooseUnit(holder, time);
    const at = spans.state[view.span] === WAITING ? spans.end[view.span] : spans.begin[view.span];
    const wake = model.wakeOf(view.unit, at);
    if (wake >= 0 && wakes.from[wake] >= 0) return this.chooseUnit(wakes.from[wake], at);
    if (view.unit >= 0 && units.row[view.unit] !== view.row) return this.chooseUnit(view.unit, time);
    if (view.unit >= 0 && units.parent[view.unit] >= 0) this.chooseUnit(units.parent[view.unit], units.begin[view.unit]);
  }

  fold(group) {
    const { view } = this;
    if (!view.folded.delete(group)) view.folded.add(group);
    view.layout(); this.changed();
  }

  foldHere() { if (this.view.row >= 0) this.fold(this.model.rows.group[this.view.row]); }

  // --- how it is shown ---

  showTip(span, place) {
    const { tip, model } = this;
    this.canvas.style.cursor = span >= 0 ? 'pointer' : '';
    tip.hidden = span < 0;
    if (span < 0) return;
    const { spans } = model, unit = spans.unit[span], site = unit >= 0 ? model.siteOf(unit) : '';
    const lines = [unit >= 0 ? model.nameOf(unit) : model.rows.name[spans.row[span]], ...model.words(span), `${duration(spans.end[span] - spans.begin[span])}, from ${duration(spans.begin[span])}`];
    const near = 6 * this.view.perPixel, time = this.view.time(place.x);
    for (const mark of model.marksOf(spans.row[span], time - near, time + near)) lines.push(`⚑ ${model.texts[model.marks.text[mark]]}`);
    if (model.missing.has(spans.row[span])) lines.push(`⚠ ${model.missing.get(spans.row[span]).toLocaleString('en')} events of this thread are missing`);
    if (site && site !== lines[0]) lines.push(`spawned at ${site}`);
    tip.textContent = lines.join('\n');
    const { width, height } = this.view, box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(place.x + 14, width - box.width - 6))}px`;
    tip.style.top = `${place.y + 18 + box.height > height ? Math.max(0, place.y - box.height - 8) : place.y + 18}px`;
  }

  setTheme(theme) {
    this.theme = theme;
    document.documentElement.classList.toggle('dark', theme === 'dark');
    this.painter.setTheme(theme);
    if (this.painter.image) this.painter.image = null;
  }

  print(isPaper) {
    if (isPaper === (this.screenTheme !== undefined)) return;
    if (isPaper) this.screenTheme = this.theme;
    this.setTheme(isPaper ? 'light' : this.screenTheme);
    if (!isPaper) this.screenTheme = undefined;
    // As many rows as a sheet has room for.
    document.getElementById('stage').style.height = isPaper ? `${Math.min(this.view.total + this.view.axis, 900)}px` : '';
    this.panel.showLegend(); this.painter.resize(); this.paint();
  }

  toggleTheme() { this.setTheme(this.theme === 'dark' ? 'light' : 'dark'); this.panel.showLegend(); }

  toggleProjector() {
    const isLarge = document.documentElement.classList.toggle('projector');
    document.getElementById('projector').setAttribute('aria-pressed', isLarge);
    this.view.setType(isLarge ? 1.5 : 1); this.painter.resize();
  }

  toggleHelp() {
    const help = document.getElementById('help'), button = document.getElementById('help-button');
    if (!help.firstChild) {
      const list = element('dl');
      for (const [keys, what] of KEYS) { const term = element('dt'); keys.split(' ').filter(Boolean).forEach(key => term.append(element('kbd', key), ' ')); list.append(term, element('dd', what)); }
      help.append(element('h2', 'Keys'), list);
    }
    help.hidden = !help.hidden;
    button.setAttribute('aria-expanded', !help.hidden);
  }

  // --- the address ---

  writeAddress() {
    const { view } = this, parts = [`t=${Math.round(view.t0)},${Math.round(view.t1)}`, `now=${Math.round(view.now)}`];
    if (view.unit >= 0) parts.push(`unit=${view.unit}`);
    if (view.span >= 0) parts.push(`span=${view.span}`);
    if (view.scroll > 0) parts.push(`y=${Math.round(view.scroll)}`);
    this.address = `#${parts.join('&')}`;
    try { history.replaceState(null, '', this.address); } catch { /* Where pages may not change their address, there is no link. */ }
  }

  readAddress() {
    const { view, model } = this, fields = new URLSearchParams(location.hash.slice(1)), number = name => { const value = Number(fields.get(name)); return fields.has(name) && Number.isFinite(value) ? value : -1; };
    const times = (fields.get('t') || '').split(',').map(Number);
    const span = number('span'), unit = number('unit');
    if (Number.isInteger(span) && span >= 0 && span < model.spans.count) this.choose(span, true);
    else if (Number.isInteger(unit) && unit >= 0 && unit < model.units.count) this.chooseUnit(unit);
    if (times.length === 2 && times.every(Number.isFinite) && times[1] > times[0]) view.show(...times);
    if (number('now') >= 0) view.now = Math.min(number('now'), model.length);
    if (number('y') >= 0) { view.scroll = number('y'); view.clamp(); }
    this.address = location.hash;
  }
}

async function open() {
  const start = performance.now();
  const model = new Model(decode(await inflate(fromBase64(document.getElementById('data').textContent.trim()))));
  document.getElementById('data').remove();
  const app = new App(model);
  app.readyAt = performance.now(); app.openTime = app.readyAt - start; // ms
  // For tests and the curious: `brigade.view`, `brigade.model`.
  window.brigade = app;
  document.documentElement.dataset.ready = 'yes';
}

open().catch(error => {
  console.error(error);
  document.getElementById('summary').textContent = `This page cannot show its data: ${error.message}. A browser from 2023 or later is needed.`;
});
