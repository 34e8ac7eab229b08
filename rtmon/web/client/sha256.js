/**
 * Incremental SHA-256 (FIPS 180-4). The browser's `crypto.subtle` needs the complete data at once, and
 * is missing on pages that are served over plain HTTP from another host than localhost.
 */

/**
 * The constants of SHA-256: K contains the first 32 bits of the fractional parts of the cube roots of
 * the first 64 primes. START contains those of the square roots of the first 8 primes.
 */
const primes = [];
for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p !== 0)) primes.push(n);
const fraction = (root) => Math.floor((root % 1) * 2 ** 32) | 0;
const K = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

export class SHA256 {
  #state = START.slice();
  #words = new Int32Array(64);
  #block = new Uint8Array(64);
  #view = new DataView(this.#block.buffer);
  #length = 0;

  /**
   * Add data to the hash.
   *
   * @param data a Uint8Array
   */
  update(data) {
    let at = 0;
    while (at < data.length) {
      const begin = this.#length % 64;
      const taken = Math.min(64 - begin, data.length - at);
      this.#block.set(data.subarray(at, at + taken), begin);
      this.#length += taken;
      at += taken;
      if (this.#length % 64 === 0) this.#compress();
    }
    return this;
  }

  /** Return the hash in hexadecimal. No data can be added afterwards. */
  hex() {
    const bits = BigInt(this.#length) * 8n;
    const padding = new Uint8Array(64 - ((this.#length + 8) % 64));
    padding[0] = 0x80;
    this.update(padding);
    const end = new Uint8Array(8);
    new DataView(end.buffer).setBigUint64(0, bits);
    this.update(end);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress() {
    const w = this.#words;
    for (let i = 0; i < 16; i += 1) w[i] = this.#view.getInt32(i * 4);
    for (let i = 16; i < 64; i += 1) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.#state;
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const u = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t) | 0;
      d = c;
      c = b;
      b = a;
      a = (t + u) | 0;
    }
    const state = this.#state;
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}
