// The replay: a moment that moves through the run, and what every thread and queue holds at that moment.

const SPEEDS = [0.0001, 0.001, 0.01, 0.1, 1, 10, 100, 1000];
const QUEUED_MAX = 30;

class Replay {
  constructor(app) {
    this.app = app; this.model = app.model; this.isPlaying = false; this.speed = 1;
    this.scrub = document.getElementById('scrub'); this.moment = document.getElementById('moment');
    const select = this.select = document.getElementById('speed');
    // A replay of about ten seconds is a good start.
    this.speed = SPEEDS.reduce((best, speed) => Math.abs(Math.log(this.model.length / 1e10 / speed)) < Math.abs(Math.log(this.model.length / 1e10 / best)) ? speed : best, 1);
    SPEEDS.forEach(speed => select.append(new Option(`×${speed}`, speed, false, speed === this.speed)));
    select.addEventListener('change', () => { this.speed = Number(select.value); });
    this.scrub.addEventListener('input', () => this.go(this.scrub.value / 10000 * this.model.length));
    document.getElementById('play').addEventListener('click', () => this.toggle());
    document.getElementById('step').addEventListener('click', () => this.step(1));
    document.getElementById('step-back').addEventListener('click', () => this.step(-1));
  }

  // Moves the moment; the view follows if it leaves the screen.
  go(time) {
    const { view } = this.app;
    this.hasMoved = true;
    view.now = Math.min(Math.max(time, 0), this.model.length);
    const width = view.t1 - view.t0;
    if (view.now < view.t0 || view.now > view.t1) view.show(view.now - width * 0.1, view.now + width * 0.9);
    this.app.changed();
  }

  step(direction) { this.pause(); this.go(this.model.change(this.app.view.now, direction)); }

  toggle() { if (this.isPlaying) this.pause(); else this.play(); }

  play() {
    if (this.app.view.now >= this.model.length) this.go(0);
    this.isPlaying = true; this.last = performance.now();
    document.getElementById('play').textContent = '❚❚ Pause';
    const frame = at => {
      if (!this.isPlaying) return;
      this.go(this.app.view.now + (at - this.last) * 1e6 * this.speed);
      this.last = at;
      if (this.app.view.now >= this.model.length) this.pause(); else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() { this.isPlaying = false; document.getElementById('play').textContent = '▶ Play'; }

  // What each thread runs, and who is ready, by the thread that made it so.
  state() {
    const { model, app: { view } } = this, { spans, threads, units, wakes } = model, now = view.now;
    const running = threads.name.map((_, thread) => {
      const name = model.rowName(threads.row[thread]);
      const span = model.spanAt(threads.row[thread], now);
      if (span < 0) return { name, text: 'nothing', unit: -1 };
      const unit = spans.unit[span], words = spans.state[span] === RUNNING ? '' : model.words(span)[0];
      return { name, unit, text: unit >= 0 && spans.state[span] !== PARKED ? `${model.nameOf(unit)} ${words}`.trim() : words };
    });
    const queues = new Map(), waiting = new Map();
    for (let row = 0; row + 1 < model.rowFirst.length; row++) {
      if (model.kindOfRow(row) !== UNITS) continue;
      const span = model.spanAt(row, now);
      if (span < 0 || spans.unit[span] < 0) continue;
      const unit = spans.unit[span];
      if (spans.state[span] === READY && spans.end[span] > now) {
        const wake = model.wakeOf(unit, spans.begin[span]), isNew = spans.begin[span] === units.begin[unit];
        const queue = wake >= 0 && wakes.thread[wake] >= 0 ? `made ready by ${threads.name[wakes.thread[wake]]}` : isNew ? 'spawned, not yet run' : 'ready again';
        if (!queues.has(queue)) queues.set(queue, []);
        queues.get(queue).push({ unit, since: spans.begin[span] });
      }
      if (spans.state[span] === WAITING) { const cause = model.causes[spans.cause[span]] || 'unknown'; waiting.set(cause, (waiting.get(cause) || 0) + 1); }
    }
    for (const queue of queues.values()) queue.sort((a, b) => a.since - b.since);
    return { running, queues, waiting };
  }

  show() {
    const { model, app } = this, { running, queues, waiting } = this.state(), parts = [];
    this.scrub.value = Math.round(app.view.now / Math.max(model.length, 1) * 10000);
    this.moment.textContent = `${duration(app.view.now)} of ${duration(model.length)}`;
    const list = element('ul');
    const busy = running.filter(({ text }) => text !== 'nothing'), idle = running.length - busy.length;
    busy.slice(0, QUEUED_MAX).forEach(({ name, text, unit }) => {
      const item = unit >= 0 ? pick(`${name}: ${text}`, '', () => app.chooseUnit(unit, app.view.now)) : element('li', `${name}: ${text}`);
      list.append(item);
    });
    if (idle) list.append(element('li', `${idle} thread${idle === 1 ? '' : 's'}${busy.length ? ' more' : ''}: nothing`, 'faint'));
    parts.push(list);
    for (const [name, units] of queues) {
      const entries = element('ol');
      units.slice(0, QUEUED_MAX).forEach(({ unit }) => entries.append(pick(model.nameOf(unit), '', () => app.chooseUnit(unit, app.view.now))));
      if (units.length > QUEUED_MAX) entries.append(element('li', `and ${units.length - QUEUED_MAX} more`, 'faint'));
      parts.push(element('h2', `Run queue: ${name} (${units.length})`), entries);
    }
    if (!queues.size) parts.push(element('p', 'All run queues are empty.', 'faint'));
    if (waiting.size) parts.push(element('p', `Waiting: ${[...waiting].map(([cause, count]) => `${count} for ${cause}`).join(', ')}.`));
    // Before the replay has begun, the worst list stands here.
    app.panel.fill('queues', `At ${duration(app.view.now)}`, ...parts).hidden = !app.view.now && !this.hasMoved;
  }
}
