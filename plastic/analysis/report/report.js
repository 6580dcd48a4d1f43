"use strict";
// The topology player.  Places, births and deaths were computed in Python; this draws them.
(() => {
  const root = document.getElementById("player");
  if (!root) return;
  const KINDS = { u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array };
  const DURATION = 12; // seconds for a whole film at speed 1
  const PAD = 16;

  function unpack(packed) {
    const text = atob(packed.data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new KINDS[packed.kind](bytes.buffer);
  }

  const raw = JSON.parse(document.getElementById("films").textContent);
  const films = raw.map((film) => {
    const made = { name: film.name };
    for (const [key, packed] of Object.entries(film.arrays)) made[key] = unpack(packed);
    return made;
  });
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const slider = part("slider"), play = part("play"), speed = part("speed"), both = part("both");
  const clock = part("clock"), stages = part("stages");
  let step = 0, last = 1, playing = false, before = 0, colors = {};

  function readColors() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    colors = { line: value("--faint"), born: value("--c2"), going: value("--c1"), ink: value("--ink"), card: value("--card") };
    colors.groups = [0, 3, 4, 6, 5, 7, 2].map((i) => value(`--c${i}`));
  }

  function frameAt(film, when) { // the last change that is not later
    let low = 0, high = film.steps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (film.steps[middle] <= when) low = middle; else high = middle - 1;
    }
    return low;
  }

  class Stage {
    constructor(box, number) {
      this.box = box;
      this.canvas = box.querySelector("canvas");
      this.choice = box.querySelector("select");
      this.tip = box.querySelector(".tip");
      this.pen = this.canvas.getContext("2d");
      films.forEach((film, i) => this.choice.add(new Option(film.name, String(i))));
      this.choice.value = String(Math.min(number, films.length - 1));
      this.choice.addEventListener("change", () => { this.reset(); this.picked = null; range(); });
      this.reset();
      this.picked = null;
      this.listen();
    }
    get film() { return films[Number(this.choice.value)]; }
    get frame() { return frameAt(this.film, step); }
    reset() { this.zoom = 1; this.dx = 0; this.dy = 0; }
    x(i) { return PAD + this.film.x[i] * (this.width - 2 * PAD) * this.zoom + this.dx; }
    y(i) { return PAD + this.film.y[i] * (this.height - 2 * PAD) * this.zoom + this.dy; }
    scale(factor, x, y) {
      const next = Math.min(Math.max(this.zoom * factor, 1), 40), real = next / this.zoom;
      this.dx = x - PAD - (x - PAD - this.dx) * real;
      this.dy = y - PAD - (y - PAD - this.dy) * real;
      this.zoom = next;
      if (next === 1) this.reset();
      this.draw();
    }
    move(dx, dy) { this.dx += dx; this.dy += dy; this.draw(); }

    listen() {
      const canvas = this.canvas;
      let held = null;
      canvas.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls on
        event.preventDefault();
        this.scale(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX, event.offsetY);
      }, { passive: false });
      canvas.addEventListener("pointerdown", (event) => { held = event; canvas.focus({ preventScroll: true }); });
      canvas.addEventListener("pointerup", () => { held = null; });
      canvas.addEventListener("pointerleave", () => { held = null; });
      canvas.addEventListener("pointermove", (event) => {
        if (held) { this.move(event.clientX - held.clientX, event.clientY - held.clientY); held = event; return; }
        this.look(event.offsetX, event.offsetY);
      });
      canvas.addEventListener("keydown", (event) => {
        const { width, height } = this, far = 40;
        const keys = {
          ArrowLeft: () => this.move(far, 0), ArrowRight: () => this.move(-far, 0),
          ArrowUp: () => this.move(0, far), ArrowDown: () => this.move(0, -far),
          "+": () => this.scale(1.25, width / 2, height / 2), "=": () => this.scale(1.25, width / 2, height / 2),
          "-": () => this.scale(0.8, width / 2, height / 2), 0: () => { this.reset(); this.draw(); },
          " ": toggle, n: () => this.next(1), p: () => this.next(-1),
        };
        if (keys[event.key] && !event.ctrlKey && !event.metaKey) { event.preventDefault(); keys[event.key](); }
      });
      for (const button of this.box.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => {
          const by = Number(button.dataset.zoom);
          if (by) this.scale(by, this.width / 2, this.height / 2); else { this.reset(); this.draw(); }
        });
      }
    }

    isThere(i) { const f = this.frame; return this.film.neuron_born[i] <= f && f < this.film.neuron_died[i]; }
    next(by) { // the next neuron that is there, for who has no mouse
      const n = this.film.neuron.length;
      let i = this.picked && this.picked.kind === "neuron" ? this.picked.i : by > 0 ? -1 : 0;
      for (let tries = 0; tries < n; tries++) { i = (i + by + n) % n; if (this.isThere(i)) break; }
      this.pick({ kind: "neuron", i });
    }
    look(x, y) {
      const film = this.film, frame = this.frame;
      let best = 12 * 12, found = null;
      for (let i = 0; i < film.neuron.length; i++) {
        const d = (this.x(i) - x) ** 2 + (this.y(i) - y) ** 2;
        if (d < best && this.isThere(i)) { best = d; found = { kind: "neuron", i }; }
      }
      if (!found) {
        best = 25;
        for (let i = 0; i < film.born.length; i++) {
          if (film.born[i] > frame || frame >= film.died[i]) continue;
          const ax = this.x(film.source[i]), ay = this.y(film.source[i]);
          const bx = this.x(film.target[i]) - ax, by = this.y(film.target[i]) - ay;
          const t = Math.min(Math.max(((x - ax) * bx + (y - ay) * by) / (bx * bx + by * by || 1), 0), 1);
          const d = (ax + t * bx - x) ** 2 + (ay + t * by - y) ** 2;
          if (d < best) { best = d; found = { kind: "connection", i }; }
        }
      }
      this.pick(found);
    }
    pick(found) { this.picked = found; this.draw(); }
    tell() {
      const film = this.film, frame = this.frame, picked = this.picked;
      if (!picked) return "";
      const now = Math.max(step, film.steps[frame]);
      const age = (born) => `born at step ${film.steps[born]}, age ${Math.round(now - film.steps[born])} steps`;
      if (picked.kind === "connection") {
        const i = picked.i;
        if (film.born[i] > frame || frame >= film.died[i]) return "";
        return `connection ${film.connection[i]}, neuron ${film.neuron[film.source[i]]} to ${film.neuron[film.target[i]]}: ${age(film.born[i])}; weight not recorded`;
      }
      let into = 0, out = 0;
      for (let i = 0; i < film.born.length; i++) {
        if (film.born[i] > frame || frame >= film.died[i]) continue;
        if (film.target[i] === picked.i) into++;
        if (film.source[i] === picked.i) out++;
      }
      const group = film.group[picked.i];
      const place = group === 0 ? "input" : group === -1 ? "output" : `group ${group}`;
      return `neuron ${film.neuron[picked.i]}, ${place}: degree ${into + out} (${into} in, ${out} out), ${age(film.neuron_born[picked.i])}`;
    }

    draw() {
      if (this.box.hidden) return;
      const { canvas, pen, film, frame } = this, ratio = window.devicePixelRatio || 1;
      this.width = canvas.clientWidth;
      this.height = canvas.clientHeight;
      const width = Math.round(this.width * ratio), height = Math.round(this.height * ratio);
      if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, this.width, this.height);
      const { source, target, born, died } = film, count = born.length;
      const n = film.neuron.length, xs = new Float32Array(n), ys = new Float32Array(n);
      for (let i = 0; i < n; i++) { xs[i] = this.x(i); ys[i] = this.y(i); }
      const paths = [new Path2D(), new Path2D(), new Path2D()];
      const end = film.steps.length;
      let drawn = 0, fresh = 0, going = 0;
      for (let i = 0; i < count; i++) {
        if (born[i] > frame || frame >= died[i]) continue;
        const leaves = died[i] === frame + 1 && died[i] < end, came = born[i] === frame && frame > 0;
        const kind = came ? 1 : leaves ? 2 : 0;
        const path = paths[kind];
        path.moveTo(xs[source[i]], ys[source[i]]);
        path.lineTo(xs[target[i]], ys[target[i]]);
        drawn++;
        fresh += came;
        going += leaves;
      }
      const thin = drawn > 4000 ? 0.16 : drawn > 1000 ? 0.28 : 0.5;
      [[0, colors.line, thin], [2, colors.going, 0.75], [1, colors.born, 0.85]].forEach(([kind, color, alpha]) => {
        pen.globalAlpha = alpha;
        pen.strokeStyle = color;
        pen.lineWidth = kind ? 1.1 : 0.8;
        pen.setLineDash(kind === 2 ? [5, 3] : []);
        pen.stroke(paths[kind]);
      });
      pen.setLineDash([]);
      this.mark(pen, xs, ys);
      pen.globalAlpha = 1;
      const radius = Math.min(2.2 * Math.sqrt(this.zoom), 7);
      let neurons = 0;
      for (let i = 0; i < n; i++) {
        if (!this.isThere(i)) continue;
        neurons++;
        const group = film.group[i];
        pen.fillStyle = group === -1 ? colors.born : colors.groups[group % (colors.groups.length - 1)];
        pen.beginPath();
        if (group > 0) pen.arc(xs[i], ys[i], radius, 0, 7); else pen.rect(xs[i] - radius, ys[i] - radius, 2 * radius, 2 * radius);
        pen.fill();
      }
      const told = this.tell();
      this.tip.textContent = told || `${neurons} neurons, ${drawn} connections; ${fresh} born and ${going} about to go at this change.`;
      Object.assign(canvas.dataset, { frame, drawn, neurons, zoom: this.zoom.toFixed(2), frames: end });
    }
    mark(pen, xs, ys) { // what the pointer is at, and all that it is connected to
      const { film, frame, picked } = this;
      if (!picked) return;
      pen.globalAlpha = 1;
      pen.strokeStyle = colors.ink;
      pen.lineWidth = 1.4;
      pen.beginPath();
      for (let i = 0; i < film.born.length; i++) {
        if (film.born[i] > frame || frame >= film.died[i]) continue;
        const its = picked.kind === "connection" ? i === picked.i : film.source[i] === picked.i || film.target[i] === picked.i;
        if (!its) continue;
        pen.moveTo(xs[film.source[i]], ys[film.source[i]]);
        pen.lineTo(xs[film.target[i]], ys[film.target[i]]);
      }
      if (picked.kind === "neuron") { pen.moveTo(xs[picked.i] + 6, ys[picked.i]); pen.arc(xs[picked.i], ys[picked.i], 6, 0, 7); }
      pen.stroke();
    }
  }

  const shown = () => views.filter((view) => !view.box.hidden);
  function draw() {
    slider.value = String(Math.round((1000 * step) / last));
    const text = `step ${Math.round(step)} of ${last}`;
    clock.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    shown().forEach((view) => view.draw());
  }
  function range() {
    last = Math.max(1, ...shown().map((view) => view.film.steps[view.film.steps.length - 1]));
    step = Math.min(step, last);
    draw();
  }
  function tick(now) {
    if (!playing) return;
    step = Math.min(step + ((now - before) / 1000 / DURATION) * last * Number(speed.value), last);
    before = now;
    root.dataset.ticks = String(Number(root.dataset.ticks || 0) + 1);
    draw();
    if (step >= last) halt(); else requestAnimationFrame(tick);
  }
  function halt() { playing = false; play.textContent = "Play"; root.dataset.state = step >= last ? "ended" : "paused"; }
  function toggle() {
    if (playing) { halt(); return; }
    if (step >= last) step = 0;
    playing = true;
    play.textContent = "Pause";
    root.dataset.state = "playing";
    before = performance.now();
    requestAnimationFrame(tick);
  }

  const views = [...root.querySelectorAll(".stage")].map((box, i) => new Stage(box, i));
  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => { step = (Number(slider.value) / 1000) * last; draw(); });
  both.addEventListener("change", () => {
    views[1].box.hidden = !both.checked;
    stages.classList.toggle("two", both.checked);
    range();
  });
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); draw(); });
  readColors();
  both.checked = films.length > 1 && window.innerWidth > 800;
  both.dispatchEvent(new Event("change"));
  root.dataset.state = "ready";
})();
