// Listens to what this side says and hears, for tests: both as one recording at 16 kHz that knows when it began.

const RATE = 16_000;
/** More is not kept: ten minutes. */
const SAMPLES_LIMIT = 600 * RATE;

/** Runs where sound is rendered: makes 16 kHz of 48 and tells when it had which. */
const PROCESSOR = `
  const STEP = sampleRate / ${RATE};
  registerProcessor("listen", class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.sums = [0, 0];
      this.count = 0;
      this.begin = null;
      this.block = [];
    }
    process([said, heard]) {
      this.begin ??= currentFrame;
      // The clock of the page is in whole milliseconds here.
      const began = Date.now() + 0.5 - (1000 * (currentFrame - this.begin)) / sampleRate;
      for (let i = 0; i < 128; i++) {
        this.sums[0] += said[0]?.[i] ?? 0;
        this.sums[1] += heard[0]?.[i] ?? 0;
        if (++this.count < STEP) continue;
        this.block.push(this.sums[0] / STEP, this.sums[1] / STEP);
        this.sums = [0, 0];
        this.count = 0;
      }
      if (this.block.length >= 3200) {
        this.port.postMessage({ began, block: Float32Array.from(this.block) });
        this.block = [];
      }
      return true;
    }
  });`;

export class Listen {
  #context = new AudioContext({ sampleRate: 48_000 });
  #node = null;
  #heard = null; // the partner's track, when it comes before all is ready
  #begins = []; // milliseconds since the Unix epoch, as each block would have it: rendering is early and late
  #blocks = [];
  #samples = 0;

  /** Begins with the microphone. */
  async start(stream) {
    await this.#context.audioWorklet.addModule(URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" })));
    this.#node = new AudioWorkletNode(this.#context, "listen", { numberOfInputs: 2, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.#node.port.onmessage = ({ data: { began, block } }) => {
      if (this.#samples >= SAMPLES_LIMIT) return;
      this.#begins.push(began);
      this.#blocks.push(block);
      this.#samples += block.length / 2;
    };
    new MediaStreamAudioSourceNode(this.#context, { mediaStream: stream }).connect(this.#node, 0, 0);
    if (this.#heard) this.hear(this.#heard);
  }

  /** The partner's sound. */
  hear(track) {
    this.#heard = track;
    if (!this.#node) return;
    const mediaStream = new MediaStream([track]);
    new MediaStreamAudioSourceNode(this.#context, { mediaStream }).connect(this.#node, 0, 1);
  }

  /** Listens no more. */
  stop() {
    return this.#context.close();
  }

  /** When it began, and what was said and heard since then: 16-bit samples, the two in turn, in base64. */
  async recording() {
    const all = new Int16Array(2 * this.#samples);
    let at = 0;
    for (const block of this.#blocks) for (const sample of block) all[at++] = 32_767 * Math.max(-1, Math.min(1, sample));
    const reader = new FileReader();
    const read = new Promise((resolve) => (reader.onload = resolve));
    reader.readAsDataURL(new Blob([all]));
    await read;
    const begins = this.#begins.sort((a, b) => a - b);
    return { began_ms: begins[begins.length >> 1] ?? null, samples: reader.result.slice(reader.result.indexOf(",") + 1) };
  }
}
