// One network of the player: its picture, and what is told of the neuron or connection chosen.
// Places, births and deaths were computed in Python.
const PAD = 16; // pixels around the picture
const MANY = 4000; // connections beyond which finer lines than this would not be seen
const FINEST = [1.5, 2]; // pixels of a picture a pixel of the page, with many connections and with few
const PLAIN = 0, BORN = 1, GOING = 2; // layers of lines, the last on top

class Stage {
  constructor(box, number, player) {
    this.box = box;
    this.player = player;
    this.canvas = box.querySelector("canvas");
    this.choice = box.querySelector("select");
    this.tip = box.querySelector(".tip");
    this.count = box.querySelector(".count");
    this.legend = box.querySelector(".legend");
    this.pen = this.canvas.getContext("2d");
    this.lines = new Lines();
    player.films.forEach((film, i) => this.choice.add(new Option(film.name, String(i))));
    this.choice.value = String(Math.min(number, player.films.length - 1));
    this.choice.addEventListener("change", () => { this.open(); player.range(); });
    this.open();
    this.listen();
  }

  open() { // the film chosen
    const film = this.film = this.player.films[Number(this.choice.value)];
    this.picked = null;
    this.whole();
    this.canvas.setAttribute("aria-label", `Network of ${film.name}`);
    this.legend.replaceChildren(...groupsOf(film).map((group) => {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.className = group > 0 ? "round" : "";
      mark.style.setProperty("--color", `var(--c${colorOf(group)})`);
      item.append(mark, placeOf(group));
      return item;
    }));
  }
  whole() { this.zoom = 1; this.dx = this.dy = 0; this.stale = true; }
  scale(factor, x, y) {
    const next = Math.min(Math.max(this.zoom * factor, 1), 40), real = next / this.zoom;
    this.dx = x - PAD - (x - PAD - this.dx) * real;
    this.dy = y - PAD - (y - PAD - this.dy) * real;
    this.zoom = next;
    if (next === 1) this.whole();
    this.stale = true;
    this.draw();
  }
  move(dx, dy) { this.dx += dx; this.dy += dy; this.stale = true; this.draw(); }

  listen() {
    const { canvas, player } = this, held = new Map(); // fingers, or the mouse
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls on
      event.preventDefault();
      this.scale(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      held.set(event.pointerId, event);
      canvas.focus({ preventScroll: true });
      this.look(event.offsetX, event.offsetY);
    });
    for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
      canvas.addEventListener(kind, (event) => held.delete(event.pointerId));
    }
    canvas.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last) { if (!held.size) this.look(event.offsetX, event.offsetY); return; }
      held.set(event.pointerId, event);
      const other = [...held.values()].find((one) => one.pointerId !== event.pointerId);
      if (!other) { this.move(event.clientX - last.clientX, event.clientY - last.clientY); return; }
      const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      this.scale(far(event) / far(last), (event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2);
    });
    const step = 40, middle = (factor) => this.scale(factor, this.width / 2, this.height / 2);
    const keys = {
      ArrowLeft: () => this.move(step, 0), ArrowRight: () => this.move(-step, 0),
      ArrowUp: () => this.move(0, step), ArrowDown: () => this.move(0, -step),
      "+": () => middle(1.25), "=": () => middle(1.25), "-": () => middle(0.8),
      0: () => { this.whole(); this.draw(); }, " ": () => player.toggle(),
      n: () => this.next(1), p: () => this.next(-1), c: () => this.nextConnection(),
      ",": () => player.change(-1), ".": () => player.change(1),
      Escape: () => this.pick(null),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    for (const button of this.box.querySelectorAll("[data-zoom]")) {
      const factor = Number(button.dataset.zoom);
      button.addEventListener("click", () => { if (factor) middle(factor); else keys[0](); });
    }
  }

  isThere(i) { return this.film.neuron_born[i] <= this.frame && this.frame < this.film.neuron_died[i]; }
  next(by) { // the next neuron that is there, for who has no mouse
    const n = this.film.neuron.length;
    let i = this.picked ? this.picked.neuron : by > 0 ? -1 : 0;
    for (let tries = 0; tries < n; tries++) { i = (i + by + n) % n; if (this.isThere(i)) break; }
    this.pick({ neuron: i });
  }
  nextConnection() { // of the neuron chosen, else of the one it was reached from
    if (!this.picked) this.next(1);
    const { neuron, connection } = this.picked, { source, target } = this.film;
    const own = this.alive.filter((i) => source[i] === neuron || target[i] === neuron);
    if (own.length) this.pick({ neuron, connection: own[(own.indexOf(connection) + 1) % own.length] });
  }
  look(x, y) {
    const { film, xs, ys } = this;
    let best = 144, found = null;
    for (let i = 0; i < xs.length; i++) {
      const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
      if (distance < best && this.isThere(i)) { best = distance; found = { neuron: i }; }
    }
    if (!found) {
      best = 25;
      for (const i of this.alive) {
        const distance = toSegment(x, y, xs[film.source[i]], ys[film.source[i]], xs[film.target[i]], ys[film.target[i]]);
        if (distance < best) { best = distance; found = { neuron: film.source[i], connection: i }; }
      }
    }
    this.pick(found);
  }
  pick(found) { this.picked = found; this.draw(); }

  draw() {
    if (this.box.hidden) return;
    const began = performance.now(), { canvas, film } = this, { clientWidth: width, clientHeight: height } = canvas;
    const ratio = Math.min(window.devicePixelRatio || 1, FINEST[Number(film.most <= MANY)]);
    if (width !== this.width || height !== this.height || ratio !== this.ratio) {
      Object.assign(this, { width, height, ratio, stale: true });
      canvas.width = Math.max(Math.round(width * ratio), 1);
      canvas.height = Math.max(Math.round(height * ratio), 1);
      this.lines.resize(canvas.width, canvas.height, ratio < 2 ? 1 : 2);
    }
    const frame = film.frameAt(this.player.step);
    const { colors } = this.player, same = this.picked === this.painted && colors === this.colors;
    if (this.stale) this.place();
    if (this.stale || frame !== this.frame) { this.frame = frame; this.wire(); this.paint(); }
    else if (!same) this.paint();
    Object.assign(this, { stale: false, painted: this.picked, colors });
    this.tell();
    Object.assign(canvas.dataset, {
      frame, drawn: this.alive.length, neurons: this.neurons, zoom: this.zoom.toFixed(2),
      frames: film.steps.length, milliseconds: (performance.now() - began).toFixed(2),
    });
  }
  place() {
    const { film, width, height, zoom } = this;
    this.xs = film.x.map((x) => PAD + x * (width - 2 * PAD) * zoom + this.dx);
    this.ys = film.y.map((y) => PAD + y * (height - 2 * PAD) * zoom + this.dy);
  }
  wire() { // who is there, and their lines; of the plain ones, those that changed
    const { film, frame, lines, ratio, xs, ys } = this, { source, target, born, died } = film;
    const ends = (i) => [source[i], target[i]].flatMap((k) => [xs[k] * ratio, ys[k] * ratio]);
    const end = film.steps.length, alive = [], plain = new Uint8Array(born.length), changed = [];
    if (this.stale) { lines.clear(PLAIN); this.plain = new Uint8Array(born.length); }
    lines.clear(BORN);
    lines.clear(GOING);
    this.fresh = this.going = 0;
    for (let i = 0; i < born.length; i++) {
      if (born[i] <= frame && frame < died[i]) {
        const came = frame > 0 && born[i] === frame, leaves = died[i] === frame + 1 && died[i] < end;
        alive.push(i);
        this.fresh += came;
        this.going += leaves;
        plain[i] = Number(!came && !leaves);
        if (came) lines.add(BORN, ends(i));
        if (leaves) lines.add(GOING, ends(i), 3 * lines.thick); // over that of one that just came
      }
      if (plain[i] !== this.plain[i]) changed.push(i);
    }
    if (changed.length > alive.length) { // as after a jump: from nothing is less work
      lines.clear(PLAIN);
      for (const i of alive) if (plain[i]) lines.add(PLAIN, ends(i));
    } else for (const i of changed) lines.add(PLAIN, ends(i), 0, plain[i] ? 1 : -1);
    Object.assign(this, { alive, plain, neurons: 0 });
    for (let i = 0; i < xs.length; i++) this.neurons += this.isThere(i);
  }
  paint() {
    const { pen, film, ratio, lines, xs, ys } = this, { colors } = this.player;
    const thin = film.most > MANY ? 0.16 : film.most > MANY / 4 ? 0.28 : 0.5;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const strong = (count) => (count > MANY / 8 ? 0.4 : 0.85);
    const inks = [ink(colors.line, thin), ink(colors.c2, strong(this.fresh)), ink(colors.c1, strong(this.going))];
    pen.putImageData(lines.paint(inks), 0, 0);
    this.mark();
    const radius = Math.min(2.2 * Math.sqrt(this.zoom), 7);
    for (const group of groupsOf(film)) { // one path a group
      pen.beginPath();
      for (let i = 0; i < xs.length; i++) {
        if (film.group[i] !== group || !this.isThere(i)) continue;
        if (group > 0) { pen.moveTo(xs[i] + radius, ys[i]); pen.arc(xs[i], ys[i], radius, 0, 7); }
        else pen.rect(xs[i] - radius, ys[i] - radius, 2 * radius, 2 * radius);
      }
      pen.fillStyle = colors[`c${colorOf(group)}`];
      pen.fill();
    }
  }
  mark() { // what is chosen, and all that it is connected to
    const { pen, film, picked, xs, ys } = this;
    if (!picked) return;
    pen.strokeStyle = this.player.colors.ink;
    pen.lineWidth = 1.4;
    pen.beginPath();
    const i = picked.neuron, chosen = picked.connection;
    for (const k of chosen === undefined ? this.alive : [chosen]) {
      const a = film.source[k], b = film.target[k];
      if (chosen === undefined && a !== i && b !== i) continue;
      pen.moveTo(xs[a], ys[a]);
      pen.lineTo(xs[b], ys[b]);
    }
    if (chosen === undefined) { pen.moveTo(xs[i] + 6, ys[i]); pen.arc(xs[i], ys[i], 6, 0, 7); }
    pen.stroke();
  }
  tell() {
    const { film, frame, picked } = this, born = film.steps[frame];
    const score = film.scoreAt(this.player.step);
    this.count.textContent = `Wired at step ${born}: ${grouped(this.neurons)} neurons, ${grouped(this.alive.length)} connections; `
      + `${grouped(this.fresh)} just born, ${grouped(this.going)} about to go${score}.`;
    const gone = picked && (picked.connection === undefined ? !this.isThere(picked.neuron) : film.born[picked.connection] > frame || frame >= film.died[picked.connection]);
    const text = !picked ? "Point at a neuron or a connection."
      : gone ? "It is not there at this step."
      : picked.connection === undefined ? this.aboutNeuron(picked.neuron) : this.aboutConnection(picked.connection);
    if (this.tip.textContent !== text) this.tip.textContent = text;
  }
  age(born) {
    const { film, player } = this, now = Math.max(player.step, film.steps[this.frame]);
    const when = born === 0 ? "there from the start" : `born at step ${film.steps[born]}`;
    return `${when}, age ${grouped(Math.round(now - film.steps[born]))} steps`;
  }
  aboutConnection(i) {
    const { film } = this, died = film.died[i], lasts = died >= film.steps.length;
    const fate = lasts ? "stays to the end" : `is pruned at step ${film.steps[died]}`, value = film.weights?.get(i);
    const weight = value === undefined || Number.isNaN(value) ? "weight not kept" : `weight at the end ${value.toPrecision(3)}`;
    return `connection ${film.connection[i]}, neuron ${film.neuron[film.source[i]]} to ${film.neuron[film.target[i]]}: ${this.age(film.born[i])}, ${fate}; ${weight}`;
  }
  aboutNeuron(i) {
    const { film } = this;
    let into = 0, out = 0;
    for (const k of this.alive) { into += film.target[k] === i; out += film.source[k] === i; }
    const bias = film.bias && film.group[i] && !Number.isNaN(film.bias[i]) ? `; bias at the end ${film.bias[i].toPrecision(3)}` : "";
    return `neuron ${film.neuron[i]}, ${placeOf(film.group[i])}: degree ${into + out} (${into} in, ${out} out); ${this.age(film.neuron_born[i])}${bias}`;
  }
}

function groupsOf(film) { return film.groups ??= [...new Set(film.group)].sort((a, b) => (a < 0) - (b < 0) || a - b); }
function placeOf(group) { return group === 0 ? "input" : group < 0 ? "output" : `group ${group}`; }
function colorOf(group) { return group === 0 ? 0 : group < 0 ? 6 : [3, 4, 5, 7][(group - 1) % 4]; }
function grouped(number) { return number.toLocaleString("en"); }
function toSegment(x, y, ax, ay, bx, by) { // squared distance
  const u = bx - ax, v = by - ay, t = Math.min(Math.max(((x - ax) * u + (y - ay) * v) / (u * u + v * v || 1), 0), 1);
  return (ax + t * u - x) ** 2 + (ay + t * v - y) ** 2;
}
