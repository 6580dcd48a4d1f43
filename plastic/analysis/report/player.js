// The player: films, the clock that all of them run by, and the controls.
const DURATION = 12; // seconds for a whole film at speed 1
const KINDS = { u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array };

class Film {
  constructor({ name, last, metric, arrays }) {
    Object.assign(this, { name, last, metric });
    for (const [key, { kind, data }] of Object.entries(arrays)) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      this[key] = new KINDS[kind](bytes.buffer);
    }
    this.most = mostAtOnce(this.born, this.died, this.steps.length);
    if (this.weight) { // of those that stay, in their order
      const stay = [...this.died.keys()].filter((i) => this.died[i] >= this.steps.length);
      this.weights = new Map(stay.map((i, k) => [i, this.weight[k]]));
    }
  }
  frameAt(step) { return before(this.steps, step); } // the last change that is not later
  scoreAt(step) {
    if (!this.scored.length || this.scored[0] > step) return "";
    const k = before(this.scored, step);
    return Number.isNaN(this.score[k]) ? "" : `; test ${this.metric} ${this.score[k].toFixed(3)} at step ${this.scored[k]}`;
  }
}

function mostAtOnce(born, died, frames) {
  const change = new Int32Array(frames + 1);
  for (let i = 0; i < born.length; i++) { change[born[i]]++; change[died[i]]--; }
  let there = 0, most = 0;
  for (const by of change) most = Math.max(most, there += by);
  return most;
}

function before(steps, step) {
  let low = 0, high = steps.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (steps[middle] <= step) low = middle; else high = middle - 1;
  }
  return low;
}

class Player {
  constructor(root) {
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    Object.assign(this, { root, step: 0, last: 1, playing: false, at: 0 });
    for (const name of ["slider", "play", "speed", "both", "clock", "stages", "back", "on"]) this[name] = part(name);
    this.films = JSON.parse(document.getElementById("films").textContent).map((film) => new Film(film));
    this.readColors();
    this.views = [...root.querySelectorAll(".stage")].map((box, i) => new Stage(box, i, this));
    this.play.addEventListener("click", () => this.toggle());
    this.back.addEventListener("click", () => this.change(-1));
    this.on.addEventListener("click", () => this.change(1));
    this.slider.addEventListener("input", () => this.go((Number(this.slider.value) / 1000) * this.last));
    this.both.addEventListener("change", () => this.arrange());
    window.addEventListener("resize", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.readColors(); this.draw(); });
    this.both.checked = this.films.length > 1 && window.innerWidth > 800;
    this.both.disabled = this.films.length < 2;
    this.arrange();
    root.dataset.state = "ready";
  }
  readColors() {
    const style = getComputedStyle(document.documentElement), value = (name) => style.getPropertyValue(name).trim();
    this.colors = { line: value("--faint"), ink: value("--ink") };
    for (let i = 0; i < 8; i++) this.colors[`c${i}`] = value(`--c${i}`);
  }
  get shown() { return this.views.filter((view) => !view.box.hidden); }
  arrange() {
    this.views[1].box.hidden = !this.both.checked;
    this.stages.classList.toggle("two", this.both.checked);
    this.range();
  }
  range() {
    this.last = Math.max(1, ...this.shown.map((view) => view.film.last));
    this.go(Math.min(this.step, this.last));
  }
  go(step) {
    this.step = step;
    this.draw();
  }
  change(by) { // to the next change of what is shown, or the one before
    this.halt();
    const steps = this.shown.flatMap((view) => [...view.film.steps]);
    const there = steps.filter((step) => (by > 0 ? step > this.step : step < this.step));
    if (there.length) this.go(by > 0 ? Math.min(...there) : Math.max(...there));
  }
  draw() {
    this.slider.value = String(Math.round((1000 * this.step) / this.last));
    const text = `step ${Math.round(this.step)} of ${this.last}`;
    this.clock.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    this.shown.forEach((view) => view.draw());
  }
  tick(now) {
    if (!this.playing) return;
    const before = this.step;
    this.step = Math.min(before + ((now - this.at) / 1000 / DURATION) * this.last * Number(this.speed.value), this.last);
    this.at = now;
    this.draw();
    if (this.step >= this.last) this.halt(); else requestAnimationFrame((next) => this.tick(next));
  }
  halt() {
    this.playing = false;
    this.play.textContent = "Play";
    this.root.dataset.state = this.step >= this.last ? "ended" : "paused";
    this.views.forEach((view) => view.tip.setAttribute("aria-live", "polite"));
  }
  toggle() {
    if (this.playing) { this.halt(); return; }
    if (this.step >= this.last) this.step = 0;
    this.playing = true;
    this.play.textContent = "Pause";
    this.root.dataset.state = "playing";
    this.views.forEach((view) => view.tip.setAttribute("aria-live", "off")); // or it would talk without end
    this.at = performance.now();
    requestAnimationFrame((now) => this.tick(now));
  }
}

const root = document.getElementById("player");
if (root) new Player(root);
