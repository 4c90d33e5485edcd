// Looks at what the two views show, picture by picture, for tests: which picture of a clip it is, and when.
//
// The clip's pictures carry their numbers in their lowest rows (`media::video::test_pattern`). Only these rows are copied, as they
// came out of the decoder; four times a second, and only when asked to, the whole picture that is on the screen.

const COLUMNS = 40;
const ROWS = 3;
const BYTES = (COLUMNS * ROWS) / 8;
const CRC_BYTES = 4;
/** Between black and white. */
const MIDDLE = 125.5;
/** From one copy of the screen to the next, in milliseconds. */
const SHOT_INTERVAL = 250;
/** More copies are not kept: 160 MB of full-sized ones. */
const SHOTS_LIMIT = 350;
/** More pictures are not noted: an hour's. */
const NOTES_LIMIT = 108_000;

/** CRC-32 as Ethernet has it. */
function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

/** The number in the lowest rows of a plane of this size, of which the rows from `top` on are there; null if there is none. */
export function readNumber(luma, stride, width, height, top) {
  const bytes = new Uint8Array(BYTES);
  const edge = (position) => Math.floor((position * width) / COLUMNS);
  const first = height - edge(ROWS) - top;
  // Coding blurs the edges: only the middle counts.
  const middle = (from, to) => [from + ((to - from) >> 2), to - ((to - from) >> 2)];
  for (let index = 0; index < BYTES * 8; index++) {
    const [row, column] = [Math.floor(index / COLUMNS), index % COLUMNS];
    const [left, right] = middle(edge(column), edge(column + 1));
    const [upper, lower] = middle(first + edge(row), first + edge(row + 1));
    let sum = 0;
    for (let y = upper; y < lower; y++) for (let x = left; x < right; x++) sum += luma[y * stride + x];
    if (sum > (lower - upper) * (right - left) * MIDDLE) bytes[index >> 3] |= 0x80 >> (index & 7);
  }
  const view = new DataView(bytes.buffer);
  const content = bytes.subarray(0, BYTES - CRC_BYTES);
  return view.getUint32(BYTES - CRC_BYTES) === crc32(content) ? view.getUint32(0) : null;
}

/** The number of a picture that is not closed before this is done. */
async function numberOf(frame) {
  if (!["I420", "NV12"].includes(frame.format)) throw new TypeError(`pictures are ${frame.format}`);
  const { x, y, width, height } = frame.visibleRect;
  const rows = Math.floor((ROWS * width) / COLUMNS);
  const top = (height - rows) & ~1; // planes of colour have every second row
  const rect = { x, y: y + top, width, height: height - top };
  const bytes = new Uint8Array(frame.allocationSize({ rect }));
  const [luma] = await frame.copyTo(bytes, { rect });
  return readNumber(bytes.subarray(luma.offset), luma.stride, width, height, top);
}

const epoch = (now) => performance.timeOrigin + now;

export class Watch {
  #captured = []; // [when, number] of our own pictures
  #shown = []; // [when, number or null, width, height] of the partner's
  #shots = []; // [when, the note of what was shown, which of the pictures]
  #pictures = []; // { bytes, width, height }: what `shots` name
  #onScreen = null; // { frame, note, picture }
  #timer = null;
  #isOver = false;
  #trouble = new Set();

  /** Begins with both views; what they show may come later. */
  constructor(own, partner) {
    this.#follow(own, (frame, { captureTime }) => {
      if (captureTime === undefined) this.#trouble.add("own pictures without a time of capture");
      return this.#note(this.#captured, frame, [epoch(captureTime), null]);
    });
    this.#follow(partner, async (frame, { presentationTime, rtpTimestamp, width, height }) => {
      // Before the first picture an empty one is shown, which no packet has brought.
      if (rtpTimestamp === undefined) return;
      const note = [epoch(presentationTime), null, width, height];
      this.#onScreen?.frame.close();
      this.#onScreen = { frame: frame.clone(), note, picture: null };
      await this.#note(this.#shown, frame, note);
    });
  }

  /** Copies of the screen, or none. */
  takeShots(isWanted) {
    clearInterval(this.#timer);
    this.#timer = isWanted ? setInterval(() => this.#shoot(), SHOT_INTERVAL) : null;
  }

  /** Looks no more; it costs nothing from here on. */
  stop() {
    this.takeShots(false);
    this.#isOver = true;
    this.#onScreen?.frame.close();
    this.#onScreen = null;
  }

  /** All that was noticed, but for the pictures themselves. */
  noticed() {
    const sizes = this.#pictures.map(({ width, height }) => [width, height]);
    const captured = this.#captured.filter(([, number]) => number !== null);
    const shots = this.#shots.map(([at, [, number], picture]) => [at, number, picture]);
    return { captured, shown: this.#shown, shots, sizes, trouble: [...this.#trouble] };
  }

  /** One of the pictures: planar 4:2:0, in base64. */
  async picture(index) {
    const reader = new FileReader();
    const read = new Promise((resolve) => (reader.onload = resolve));
    reader.readAsDataURL(new Blob([this.#pictures[index].bytes]));
    await read;
    return reader.result.slice(reader.result.indexOf(",") + 1);
  }

  #follow(view, look) {
    const onPicture = async (now, metadata) => {
      if (this.#isOver) return;
      view.requestVideoFrameCallback(onPicture);
      let frame = null;
      try {
        frame = new VideoFrame(view);
        await look(frame, metadata);
      } catch (error) {
        this.#trouble.add(`${error.name}: ${error.message}`);
      }
      frame?.close();
    };
    view.requestVideoFrameCallback(onPicture);
  }

  /** Writes the number into the note, whose place in the list is that of the moment. */
  async #note(list, frame, note) {
    if (list.length >= NOTES_LIMIT) return;
    list.push(note);
    note[1] = await numberOf(frame);
  }

  async #shoot() {
    const shown = this.#onScreen;
    if (!shown) return;
    const at = epoch(performance.now());
    if (shown.picture !== null) {
      this.#shots.push([at, shown.note, shown.picture]);
      return;
    }
    const { frame } = shown;
    if (this.#pictures.length >= SHOTS_LIMIT) return;
    try {
      if (frame.format !== "I420") throw new TypeError(`pictures are ${frame.format}`);
      const { width, height } = frame.visibleRect;
      const bytes = new Uint8Array(frame.allocationSize());
      shown.picture = this.#pictures.push({ bytes, width, height }) - 1;
      this.#shots.push([at, shown.note, shown.picture]);
      await frame.copyTo(bytes);
    } catch (error) {
      this.#trouble.add(`${error.name}: ${error.message}`);
    }
  }
}
