// Connections as sums of coverage.  A line adds to the pixels that it passes, and what lies on
// a pixel decides how dark it is, so ten thousand lines cost a few additions a pixel of each;
// stroked by the canvas, as one long path, they take several times as long.
const UNIT = 32; // coverage of a whole pixel by one line
const DEEPEST = 1023; // beyond so much coverage no pixel gets darker

class Lines {
  resize(width, height, thick) {
    this.width = width;
    this.height = height;
    this.thick = thick; // pixels
    this.stride = width + 2;
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    // a rim of a pixel and of the thickness around each, so that no line need look where it ends
    this.layers = [0, 1, 2].map(() => new Uint32Array(this.stride * (height + thick + 2) + width));
  }
  clear(number) { this.layers[number].fill(0); }

  // Coverage of a line, in fixed point along the longer of its sides.  Of a dashed one, `dash`
  // pixels of three times as many are left out.  With sign -1 a line is taken away again, exactly.
  add(number, [x0, y0, x1, y1], dash = 0, sign = 1) {
    const steep = Math.abs(y1 - y0) > Math.abs(x1 - x0);
    if (steep) [x0, y0, x1, y1] = [y0, x0, y1, x1];
    if (x0 > x1) [x0, y0, x1, y1] = [x1, y1, x0, y0];
    const slope = (y1 - y0) / (x1 - x0 || 1), thick = this.thick;
    const wide = (steep ? this.height : this.width) - 1, high = (steep ? this.width : this.height) - thick;
    y0 -= (thick - 1) / 2;
    let from = Math.max(Math.ceil(x0), 0), to = Math.min(Math.floor(x1), wide);
    if (slope > 0) {
      from = Math.max(from, Math.ceil(x0 - y0 / slope));
      to = Math.min(to, Math.floor(x0 + (high - y0) / slope));
    } else if (slope < 0) {
      from = Math.max(from, Math.ceil(x0 + (high - y0) / slope));
      to = Math.min(to, Math.floor(x0 - y0 / slope));
    } else if (y0 < 0 || y0 > high) return;
    const layer = this.layers[number], along = steep ? this.stride : 1, across = steep ? 1 : this.stride;
    const rise = Math.round(slope * 65536);
    let y = Math.max(Math.round((y0 + slope * (from - x0)) * 65536), 0);
    for (let x = from, at = from * along; x <= to; x++, at += along, y = y + rise < 0 ? 0 : y + rise) {
      if (dash && (x - from) % (3 * dash) >= 2 * dash) continue;
      const part = (y >> 11) & (UNIT - 1);
      let pixel = at + (y >> 16) * across;
      layer[pixel] += sign * (UNIT - part);
      for (let i = 1; i < thick; i++) { pixel += across; layer[pixel] += sign * UNIT; }
      layer[pixel + across] += sign * part;
    }
  }

  // The picture: the first layer below, each later one over it; an ink is its red, green and
  // blue and the opacity of one line.
  paint(inks) {
    const [plain, first, second] = this.layers, { stride, width, height, pixels } = this;
    const [table, table1, table2] = inks.map((ink) => opacities(ink.opacity));
    const [{ red, green, blue }, ink1, ink2] = inks, of = (value) => Math.min(value, DEEPEST);
    const alone = Uint32Array.from(table, (opacity) => pack(red, green, blue, opacity));
    for (let y = 0, pixel = 0; y < height; y++) {
      for (let x = 0, i = y * stride; x < width; x++, i++, pixel++) {
        if (!(first[i] | second[i])) { pixels[pixel] = alone[of(plain[i])]; continue; }
        const a = table1[of(first[i])], b = table2[of(second[i])];
        // shares of the three, the last on top
        const s = table[of(plain[i])] * (1 - a) * (1 - b), t = a * (1 - b), sum = s + t + b || 1;
        pixels[pixel] = pack(
          (red * s + ink1.red * t + ink2.red * b) / sum, (green * s + ink1.green * t + ink2.green * b) / sum,
          (blue * s + ink1.blue * t + ink2.blue * b) / sum, s + t + b);
      }
    }
    return this.image;
  }
}

const tables = new Map();
function opacities(one) { // of so much coverage, where a line has this one
  if (!tables.has(one)) tables.set(one, Float64Array.from({ length: DEEPEST + 1 }, (_, n) => 1 - (1 - one) ** (n / UNIT)));
  return tables.get(one);
}

function pack(red, green, blue, opacity) {
  return ((255 * opacity + 0.5) << 24) | ((blue + 0.5) << 16) | ((green + 0.5) << 8) | (red + 0.5);
}

function ink(color, opacity) { // from #rrggbb
  const value = parseInt(color.slice(1), 16);
  return { red: value >> 16, green: (value >> 8) & 255, blue: value & 255, opacity };
}
