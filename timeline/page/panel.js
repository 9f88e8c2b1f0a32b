// The panel at the right: what is chosen, the worst list, search, legend; and the table.

const WORST_MAX = 6;
const MARKS_MAX = 10;
const FOUND_MAX = 40;
const TABLE_MAX = 1000;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// A button in a list that leads to a span or unit.
function pick(text, time, act) {
  const item = element('li'), button = element('button', undefined, 'pick');
  if (time) button.append(element('span', time, 'time'), ' ');
  button.append(text);
  // Behind a click with the mouse, keys are for the timeline; and so they are if the button has made room for others.
  button.addEventListener('click', event => { act(); if (event.detail || !button.isConnected) document.getElementById('lanes').focus({ preventScroll: true }); });
  item.append(button);
  return item;
}

class Panel {
  constructor(app) { this.app = app; this.model = app.model; this.at = id => document.getElementById(id); this.why = JSON.parse(this.at('why-data').textContent); }

  fill(id, heading, ...children) {
    const section = this.at(id);
    section.replaceChildren(...(heading ? [element('h2', heading)] : []), ...children);
    return section;
  }

  showStart() {
    const { model } = this, { units, threads } = model;
    this.at('summary').textContent = `${duration(model.length)} · ${model.events.toLocaleString('en')} events · ${threads.name.length} thread${threads.name.length === 1 ? '' : 's'} · ${(units.count - units.domain.reduce((sum, _, unit) => sum + model.isThread(unit), 0)).toLocaleString('en')} tasks, jobs, calls and children${model.missing.size ? ` · ⚠ ${[...model.missing.values()].reduce((a, b) => a + b).toLocaleString('en')} events are missing` : ''}`;
    this.fill('details', 'Details', element('p', 'Click a span, or press j and then ]. Press ? for all keys.', 'faint'));
    const lists = [['Longest runs', RUNNING], ['Longest waits', WAITING], ['Longest ready, not yet run', READY]];
    const { marks } = model, order = Array.from({ length: marks.count }, (_, i) => i).sort((a, b) => marks.fault[b] - marks.fault[a] || marks.at[a] - marks.at[b]).slice(0, MARKS_MAX);
    const moments = element('ol');
    order.forEach(mark => moments.append(pick(`${model.nameOf(marks.unit[mark])}: ${model.texts[marks.text[mark]]}`, duration(marks.at[mark]), () => this.app.chooseMark(mark))));
    this.at('worst').replaceChildren(...(order.length ? [element('h2', `Marks${marks.count > MARKS_MAX ? ` (${MARKS_MAX} of ${marks.count.toLocaleString('en')})` : ''}`), moments] : []), ...lists.flatMap(([heading, state]) => {
      const spans = model.longest(state, WORST_MAX), list = element('ol');
      spans.forEach(span => list.append(pick(this.line(span), duration(model.spans.end[span] - model.spans.begin[span]), () => this.app.choose(span))));
      return spans.length ? [element('h2', heading), list] : [];
    }));
    this.showWhy();
    this.fill('notes', '', ...model.notes.map(note => element('p', note, 'warn')));
    this.showLegend();
  }

  // Where the time of the program went: a sentence above all lists, and below them the parts, which add up to the wall time.
  showWhy() {
    const { sentence, parts } = this.why;
    this.at('why').hidden = this.at('sentence').hidden = !sentence;
    if (!sentence) return;
    this.fill('sentence', '', element('p', sentence));
    const list = element('ol'), all = parts.reduce((sum, [, nanos]) => sum + nanos, 0);
    for (const [name, nanos] of parts) {
      const item = element('li', `${duration(nanos)} ${name} (${(100 * nanos / all).toFixed(1)} %)`, 'part');
      item.style.setProperty('--share', `${100 * nanos / all}%`);
      list.append(item);
    }
    this.fill('why', 'Where the time went', list);
  }

  line(span) {
    const unit = this.model.spans.unit[span];
    const words = this.model.words(span).filter(word => !word.startsWith('woken'));
    if (this.model.spans.state[span] !== WAITING) words.length = 0;
    return [unit >= 0 ? this.model.nameOf(unit) : '', ...words].filter(Boolean).join(', ');
  }

  showLegend() {
    const { colours } = this.app.painter, entries = [], { theme, name } = colours;
    const swatch = (draw, text) => {
      const canvas = element('canvas'), c = canvas.getContext('2d');
      canvas.width = 28; canvas.height = 14;
      draw(c);
      const item = element('li'); item.append(canvas, text);
      entries.push(item);
    };
    const plain = colour => c => { c.fillStyle = colour; c.fillRect(0, 0, 28, 14); };
    swatch(c => theme.runs.slice(0, 4).forEach((colour, i) => { c.fillStyle = colour; c.fillRect(i * 7, 0, 7, 14); }), 'runs, in the colour of its group');
    swatch(plain(theme.ready), 'ready, not yet run');
    swatch(plain(theme.wait), 'waits, for a reason that is not known');
    REASONS.forEach((reason, i) => swatch(c => { plain(theme.wait)(c); c.fillStyle = c.createPattern(hatch(i, name, 1), 'repeat'); c.fillRect(0, 0, 28, 14); }, `waits: ${reason.name}`));
    swatch(c => { plain(theme.parked)(c); c.strokeStyle = theme.line; c.strokeRect(0.5, 0.5, 27, 13); }, 'a thread sleeps, a child is idle');
    swatch(plain(theme.merged), 'many short spans');
    swatch(c => { c.strokeStyle = c.fillStyle = theme.faint; c.beginPath(); c.moveTo(14, 0); c.lineTo(14, 9); c.stroke(); c.beginPath(); c.moveTo(14, 14); c.lineTo(10, 8); c.lineTo(18, 8); c.fill(); }, 'wakes');
    if (this.model.edges.count) swatch(c => { c.strokeStyle = c.fillStyle = theme.edge; c.beginPath(); c.moveTo(8, 0); c.lineTo(20, 9); c.stroke(); c.beginPath(); c.moveTo(22, 14); c.lineTo(16, 8); c.lineTo(24, 6); c.fill(); }, 'goes from one process to another: a fork, a call, its answer, an end');
    swatch(c => { c.fillStyle = theme.cursor; c.fillRect(13, 0, 2, 14); c.beginPath(); c.moveTo(14, 0); c.lineTo(22, 4); c.lineTo(14, 8); c.fill(); }, 'a mark: the program names this moment, or work was cancelled');
    swatch(c => { c.fillStyle = theme.fault; c.fillRect(13, 0, 2, 14); c.beginPath(); c.moveTo(14, 0); c.lineTo(22, 4); c.lineTo(14, 8); c.fill(); }, 'a fault: work failed, waits form a cycle, a value is stale');
    const list = element('ul'); list.append(...entries);
    this.fill('legend', 'Legend', list);
  }

  // What is chosen: its states, its waits, and the chain of those who must act first.
  showDetails() {
    const { app, model, app: { view } } = this, { units, spans } = model, unit = view.unit;
    if (view.row < 0) return this.fill('details', 'Details', element('p', 'Nothing is chosen.', 'faint'));
    let list = element('dl');
    const put = (name, ...values) => { const dd = element('dd'); dd.append(...values); list.append(element('dt', name), dd); }, parts = [list];
    if (view.span >= 0) {
      const span = view.span;
      put('now', model.words(span).join(', '));
      put('from', `${duration(spans.begin[span])}, for ${duration(spans.end[span] - spans.begin[span])}`);
    }
    if (unit < 0) return this.fill('details', model.rows.name[view.row], list);
    if (view.span >= 0 && spans.state[view.span] === WAITING) parts.push(...this.chain(unit));
    parts.push(list = element('dl'));
    put('id', model.idOf(unit));
    if (model.siteOf(unit)) put('spawned at', model.siteOf(unit));
    if (this.why.tasks[model.idOf(unit)]) put('why', this.why.tasks[model.idOf(unit)]);
    if (units.parent[unit] >= 0) put('by', this.link(units.parent[unit]));
    put('lived', `${duration(units.begin[unit])} to ${duration(units.end[unit])} (${duration(units.end[unit] - units.begin[unit])}), ${OUTCOMES[units.outcome[unit]]}`);
    for (const mark of model.marksOf(units.row[unit], units.begin[unit], units.end[unit]).slice(0, 20)) if (model.marks.unit[mark] === unit) put(duration(model.marks.at[mark]), model.texts[model.marks.text[mark]]);
    for (const edge of model.edgesOf(unit).slice(0, 20)) put(duration(model.edges.begin[edge]), model.edgeWords(edge));
    const times = this.times(unit);
    put('ran', `${duration(times.running)} in ${times.runs} runs`); put('was ready', duration(times.ready)); put('waited', duration(times.waiting));
    return this.fill('details', model.nameOf(unit), ...parts);
  }

  link(unit) {
    const button = element('button', this.model.nameOf(unit), 'pick');
    button.addEventListener('click', () => this.app.chooseUnit(unit));
    return button;
  }

  times(unit) {
    const { spans } = this.model, times = { running: 0, ready: 0, waiting: 0, runs: 0 };
    for (const i of this.model.spansOf(unit)) {
      const length = spans.end[i] - spans.begin[i];
      if (spans.state[i] === RUNNING) { times.running += length; times.runs++; }
      if (spans.state[i] === READY) times.ready += length;
      if (spans.state[i] === WAITING) times.waiting += length;
    }
    return times;
  }

  chain(unit) {
    const { model, app } = this, { spans } = model, span = app.view.span;
    const time = Math.min(Math.max(app.view.now, spans.begin[span]), spans.end[span] - 1);
    const { links, isCycle, isStuck } = model.chain(unit, time);
    if (links.length < 2) {
      const wake = model.wakeOf(unit, spans.end[span]), from = wake >= 0 ? model.wakes.from[wake] : -1;
      if (from < 0) return [];
      const list = element('ol', undefined, 'chain');
      list.append(pick(model.nameOf(from), '', () => app.chooseUnit(from, spans.end[span])));
      return [element('h2', 'Woken by'), list];
    }
    const list = element('ol', undefined, 'chain'); list.id = 'chain';
    links.forEach((link, place) => {
      const state = link.span < 0 ? 'is not seen then' : model.words(link.span).filter(word => !word.startsWith('woken')).join(', ');
      list.append(pick(`${model.nameOf(link.unit)}: ${place && isCycle && place === links.length - 1 ? 'here the circle closes' : state}`, '', () => app.chooseUnit(link.unit, time)));
    });
    const heading = isStuck ? 'A cycle: each waits for the next' : isCycle ? 'A circle that something else can end, such as a timer' : 'Waits for → who waits for →';
    return [element('h2', heading), list];
  }

  showFound(query) {
    const { model, app } = this, { units } = model, words = query.trim().toLowerCase();
    const section = this.at('found');
    section.hidden = !words;
    app.view.found = null; this.matches = [];
    if (!words) return;
    const textHits = model.texts.map(text => text.toLowerCase().includes(words));
    for (let unit = 0; unit < units.count; unit++)
      if (units.label[unit] >= 0 && textHits[units.label[unit]] || units.site[unit] >= 0 && textHits[units.site[unit]] || model.idOf(unit) === words || `${units.number[unit]}` === words) this.matches.push(unit);
    app.view.found = new Set(this.matches);
    const list = element('ol');
    this.matches.slice(0, FOUND_MAX).forEach(unit => list.append(pick(`${model.nameOf(unit)} ${model.siteOf(unit)}`, model.idOf(unit), () => app.chooseUnit(unit))));
    const more = this.matches.length > FOUND_MAX ? [element('p', `and ${this.matches.length - FOUND_MAX} more`, 'faint')] : [];
    this.fill('found', `${this.matches.length} found`, list, ...more);
    this.next = 0;
  }

  // Enter in the search goes from one match to the next.
  nextMatch() { if (this.matches?.length) this.app.chooseUnit(this.matches[this.next++ % this.matches.length]); }

  showTable(isShown) {
    const view = this.at('table-view');
    view.hidden = !isShown;
    if (!isShown || view.firstChild) return;
    const { model } = this, { units, groups, rows, spans } = model;
    const order = Array.from({ length: units.count }, (_, unit) => unit).filter(unit => !model.isThread(unit));
    if (units.count > TABLE_MAX) { order.sort((a, b) => units.end[b] - units.begin[b] - units.end[a] + units.begin[a]); order.length = TABLE_MAX; }
    const table = element('table');
    table.append(element('caption', units.count > TABLE_MAX ? `The ${TABLE_MAX} longest of ${units.count.toLocaleString('en')} tasks, jobs, calls and children` : 'All tasks, jobs, calls and children'));
    const line = (tag, cells) => { const row = element('tr'); row.append(...cells.map((cell, i) => { const made = element(tag, cell, tag === 'td' && i > 1 && i < 7 ? 'n' : ''); if (tag === 'th') made.scope = 'col'; return made; })); return row; };
    const head = element('thead'), body = element('tbody');
    head.append(line('th', ['name', 'group', 'began', 'lived', 'ran', 'ready', 'waited', 'longest wait', 'outcome']));
    for (const unit of order) {
      const times = this.times(unit), waits = model.spansOf(unit).filter(i => spans.state[i] === WAITING);
      const longest = waits.reduce((best, i) => best < 0 || spans.end[i] - spans.begin[i] > spans.end[best] - spans.begin[best] ? i : best, -1);
      body.append(line('td', [model.nameOf(unit), groups.name[rows.group[units.row[unit]]], duration(units.begin[unit]), duration(units.end[unit] - units.begin[unit]), duration(times.running), duration(times.ready), duration(times.waiting), longest < 0 ? '' : `${duration(spans.end[longest] - spans.begin[longest])}: ${model.words(longest).join(', ')}`, OUTCOMES[units.outcome[unit]]]));
    }
    table.append(head, body);
    view.append(table);
  }
}
