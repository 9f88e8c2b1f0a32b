// Mouse, touch and keyboard.

const KEYS = [
  ['w s', 'zoom in and out'], ['a d  ← →', 'move in time'], ['↑ ↓', 'scroll'], ['f', 'show everything'],
  ['j k', 'next and previous row'], ['] [', 'next and previous span of the row'], ['Enter', 'follow: to what it waits for, or to its waker'], ['x', 'fold or unfold the group'], ['Esc', 'choose nothing'],
  ['Space', 'play or pause the replay'], ['. ,', 'one step forward and back'], ['/', 'search; Enter goes to the next match'], ['g', 'go to a time'],
  ['t', 'light or dark'], ['p', 'projector: large type'], ['wheel', 'scroll; with Ctrl zoom, with Shift move in time'], ['drag', 'move'], ['double click', 'zoom to the span'], ['?', 'these keys'],
];

class Input {
  constructor(app, canvas, minimap) {
    Object.assign(this, { app, view: app.view, canvas, pointers: new Map(), moved: 0 });
    canvas.addEventListener('wheel', event => this.wheel(event), { passive: false });
    canvas.addEventListener('pointerdown', event => this.down(event));
    canvas.addEventListener('pointermove', event => this.move(event));
    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, event => this.up(event));
    canvas.addEventListener('pointerleave', () => app.showTip(-1));
    canvas.addEventListener('dblclick', event => this.double(event));
    const toMinimap = event => {
      if (!event.buttons) return;
      const { t0, t1 } = this.view, box = minimap.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * app.model.length;
      this.view.show(at - (t1 - t0) / 2, at + (t1 - t0) / 2);
      app.changed();
    };
    minimap.addEventListener('pointerdown', event => { minimap.setPointerCapture(event.pointerId); toMinimap(event); });
    minimap.addEventListener('pointermove', toMinimap);
    document.addEventListener('keydown', event => this.key(event));
  }

  place(event) { const box = this.canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; }

  wheel(event) {
    event.preventDefault();
    const { view } = this, { x, y } = this.place(event), unit = event.deltaMode === 1 ? 30 : 1;
    const isShort = view.total <= view.lanesHeight, isZoom = event.ctrlKey || event.metaKey || y < view.axis || isShort && !event.shiftKey && !event.deltaX;
    if (isZoom) view.zoom(Math.exp(event.deltaY * unit * 0.002), view.time(Math.max(x, view.gutter)));
    else if (event.shiftKey) view.pan((event.deltaY || event.deltaX) * unit * view.perPixel);
    else view.pan(event.deltaX * unit * view.perPixel, event.deltaY * unit);
    this.app.changed();
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    this.moved = this.pointers.size > 1 ? Infinity : 0;
    this.canvas.classList.add('dragging');
    this.app.showTip(-1);
  }

  move(event) {
    const { view, app, pointers } = this, now = this.place(event), before = pointers.get(event.pointerId);
    if (!before) return app.showTip(view.spanAt(now.x, now.y), now);
    this.moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (pointers.size === 1) {
      if (this.moved > 4) view.pan((before.x - now.x) * view.perPixel, before.y - now.y);
    } else {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const apart = (a, b) => Math.max(Math.abs(a.x - b.x), 10);
      view.zoom(apart(before, other) / apart(now, other), view.time((now.x + other.x) / 2));
      view.pan((before.x - now.x) / 2 * view.perPixel, (before.y - now.y) / 2);
    }
    pointers.set(event.pointerId, now);
    app.changed();
  }

  up(event) {
    const { view, app } = this, isClick = this.pointers.delete(event.pointerId) && this.moved <= 4 && event.type === 'pointerup';
    this.canvas.classList.remove('dragging');
    if (!isClick) return;
    const { x, y } = this.place(event), item = view.itemAt(y);
    if (!item) { if (x > view.gutter) app.replay.go(view.time(x)); return; }
    if (item.type === 'head' || item.type === 'summary') return app.fold(item.index);
    const span = view.spanAt(x, y);
    if (x > view.gutter) view.now = Math.min(Math.max(view.time(x), 0), app.model.length);
    if (span >= 0) app.choose(span, true); else app.chooseNothing();
  }

  double(event) {
    const { x, y } = this.place(event), span = this.view.spanAt(x, y), { spans } = this.app.model;
    if (span < 0) return;
    const length = spans.end[span] - spans.begin[span];
    this.view.show(spans.begin[span] - length / 4, spans.end[span] + length / 4);
    this.app.changed();
  }

  key(event) {
    const { app, view } = this, isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === 'Escape') { app.escape(); return; }
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    // Space and Enter press a button that has the focus.
    if (event.target.tagName === 'BUTTON' && (event.key === ' ' || event.key === 'Enter')) return;
    const width = view.t1 - view.t0, acts = {
      w: () => view.zoom(0.7), s: () => view.zoom(1 / 0.7), '+': () => view.zoom(0.7), '-': () => view.zoom(1 / 0.7),
      a: () => view.pan(-width * 0.15), d: () => view.pan(width * 0.15), ArrowLeft: () => view.pan(-width * 0.15), ArrowRight: () => view.pan(width * 0.15),
      ArrowUp: () => view.pan(0, -view.rowHeight * 3), ArrowDown: () => view.pan(0, view.rowHeight * 3), PageUp: () => view.pan(0, -view.lanesHeight), PageDown: () => view.pan(0, view.lanesHeight),
      f: () => view.fit(), j: () => app.nextRow(1), k: () => app.nextRow(-1), ']': () => app.nextSpan(1), '[': () => app.nextSpan(-1),
      Enter: () => app.follow(), x: () => app.foldHere(), ' ': () => app.replay.toggle(), '.': () => app.replay.step(1), ',': () => app.replay.step(-1),
      '/': () => document.getElementById('search').select(), g: () => document.getElementById('goto').select(), t: () => app.toggleTheme(), p: () => app.toggleProjector(), '?': () => app.toggleHelp(),
    };
    const act = acts[event.key] || acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
    app.changed();
  }
}
