// One call of a guest: a peer connection by perfect negotiation, and the data channel (docs/protocol.md, sections 6 and 7).
//
// What happens is told in events: `track` (the partner's, in `detail`), `channel` (open), `chat` (a line), `sending` (what the
// partner sends), `typing`, `trouble` (something that could not be done), `ended` (why).

const CHANNEL = "passerby";
/** Candidates that may wait for a description. */
const HELD_LIMIT = 256;
/** How long a good-bye may take to leave, in milliseconds. */
const GOODBYE_TIME = 150;

export class Call extends EventTarget {
  #role;
  #tracks;
  #say; // tells the partner over the server; false if there is no room
  #iceServers;
  #connection;
  #channel = null;
  #work = Promise.resolve(); // descriptions and candidates, one after the other

  #isMakingOffer = false;
  #isIgnoringOffer = false;
  #ownOffers = 0; // how many this side has made, and the number of the last
  #partnersOffer = 0; // the number of the last one that was answered
  #answer = null; // what that one was answered with
  #held = []; // candidates that came before the description

  #isPermitted; // whether the server permits direct paths
  #isHidden;
  #agrees;
  #partnerAgrees = null;
  #wasRefused;
  #isAgreed = false;
  #hasRestarted = false;

  constructor({ role, iceServers, policy, tracks, say }) {
    super();
    this.#role = role;
    this.#tracks = tracks;
    this.#say = say;
    this.#iceServers = iceServers;
    this.#isPermitted = policy === "any" || policy === "relay_first";
    this.#isHidden = policy !== "any";
    this.#agrees = !this.#isHidden;
    this.#wasRefused = this.#isHidden;
    const connection = new RTCPeerConnection({
      iceServers,
      iceTransportPolicy: this.#isHidden ? "relay" : "all",
      bundlePolicy: "max-bundle",
    });
    this.#connection = connection;
    connection.onnegotiationneeded = () => this.#offer();
    connection.onicecandidate = ({ candidate }) => this.#onLocalCandidate(candidate);
    connection.onconnectionstatechange = () => this.#onConnectionState();
    connection.ontrack = ({ track }) => this.#tell("track", track);
    connection.ondatachannel = ({ channel }) => this.#useChannel(channel);
  }

  /** The peer connection, for statistics. */
  get connection() {
    return this.#connection;
  }

  /** offerer or answerer, as the server said. */
  get role() {
    return this.#role;
  }

  /** Whether sound, pictures and messages pass, or passed and may do so again. */
  get isUp() {
    return ["connected", "disconnected"].includes(this.#connection.connectionState);
  }

  /** Makes the first offer, if that is this side's. */
  begin() {
    if (this.#role !== "offerer") return;
    for (const kind of ["audio", "video"]) {
      const track = this.#track(kind);
      // A section is negotiated also for what is not sent.
      this.#connection.addTransceiver(track ?? kind, { direction: "sendrecv", streams: track ? [new MediaStream([track])] : [] });
    }
    this.#useChannel(this.#connection.createDataChannel(CHANNEL));
  }

  /** Sends a line of chat. */
  chat(text) {
    this.#message({ type: "chat", text });
  }

  /** Says whether the person is writing. */
  typing(active) {
    this.#message({ type: "typing", active });
  }

  /** Switches what is sent of one kind ("audio", "video") on or off. */
  send(kind, isOn) {
    const track = this.#track(kind);
    if (track) track.enabled = isOn;
    this.#tellSending();
  }

  /** The person agrees to a direct path. */
  allowDirect() {
    if (!this.#isPermitted || !this.#isHidden || this.#agrees) return;
    this.#agrees = true;
    this.#message({ type: "direct", allowed: true });
    this.#settle(false);
  }

  /** Looks for a path anew. */
  restart() {
    this.#connection.restartIce();
  }

  /** A session description of the partner's, from the server. */
  onDescription(description) {
    this.#enqueue(() => (description.type === "offer" ? this.#onOffer(description) : this.#onAnswer(description)));
  }

  /** A candidate of the partner's, from the server. */
  onCandidate(candidate) {
    this.#enqueue(() => this.#onCandidate(candidate));
  }

  /** Says good-bye and ends. */
  close() {
    const connection = this.#connection;
    for (const event of ["negotiationneeded", "icecandidate", "connectionstatechange", "track", "datachannel"]) {
      connection[`on${event}`] = null;
    }
    const isSaid = this.#message({ type: "bye" });
    setTimeout(() => connection.close(), isSaid ? GOODBYE_TIME : 0);
  }

  async #offer() {
    // The answerer makes none before it has received one.
    if (this.#role === "answerer" && !this.#connection.remoteDescription) return;
    try {
      this.#isMakingOffer = true;
      await this.#connection.setLocalDescription();
      this.#ownOffers += 1;
      this.#signal({ type: "description", description: this.#numbered(this.#ownOffers) });
    } catch (error) {
      this.#tell("trouble", `offer: ${error.name}`);
    } finally {
      this.#isMakingOffer = false;
    }
  }

  async #onOffer({ type, sdp, number = 0 }) {
    if (number && number <= this.#partnersOffer) {
      if (number === this.#partnersOffer) this.#signal({ type: "description", description: this.#answer });
      return;
    }
    const connection = this.#connection;
    const isCrossed = this.#isMakingOffer || connection.signalingState !== "stable";
    // The offerer of the call is the impolite one.
    this.#isIgnoringOffer = isCrossed && this.#role === "offerer";
    if (this.#isIgnoringOffer) return;
    await connection.setRemoteDescription({ type, sdp });
    await this.#takeUpSections();
    await connection.setLocalDescription();
    this.#partnersOffer = number;
    this.#answer = this.#numbered(number);
    this.#signal({ type: "description", description: this.#answer });
    await this.#applyHeld();
  }

  async #onAnswer({ type, sdp, number = 0 }) {
    if (this.#connection.signalingState !== "have-local-offer") return;
    if (number && number !== this.#ownOffers) return;
    await this.#connection.setRemoteDescription({ type, sdp });
    await this.#applyHeld();
  }

  async #onCandidate(candidate) {
    if (!this.#connection.remoteDescription) {
      if (this.#held.length < HELD_LIMIT) this.#held.push(candidate);
      return;
    }
    try {
      await this.#connection.addIceCandidate(candidate);
    } catch (error) {
      // One of an offer that was ignored, or of a generation that is gone, is no trouble.
      if (!this.#isIgnoringOffer && error.name !== "OperationError") throw error;
    }
  }

  async #applyHeld() {
    for (const candidate of this.#held.splice(0)) await this.#onCandidate(candidate);
  }

  /** Sends in the partner's sections what there is to send. */
  async #takeUpSections() {
    for (const transceiver of this.#connection.getTransceivers()) {
      const track = this.#track(transceiver.receiver.track.kind);
      transceiver.direction = "sendrecv";
      if (!track || transceiver.sender.track === track) continue;
      transceiver.sender.setStreams(new MediaStream([track]));
      await transceiver.sender.replaceTrack(track);
    }
  }

  #onLocalCandidate(candidate) {
    if (candidate?.candidate === "") return;
    this.#signal({ type: "candidate", candidate: candidate?.toJSON() ?? null });
  }

  #onConnectionState() {
    const state = this.#connection.connectionState;
    // The path may come back by itself, but looking for another one costs little.
    if (state === "disconnected" || state === "failed") this.restart();
  }

  #useChannel(channel) {
    if (channel.label !== CHANNEL) return;
    this.#channel = channel;
    channel.onmessage = ({ data }) => this.#onMessage(data);
    channel.onopen = () => {
      this.#tellSending();
      this.#message({ type: "direct", allowed: this.#agrees });
      this.#tell("channel");
    };
  }

  #onMessage(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // what cannot be read is ignored
    }
    switch (message?.type) {
      case "chat":
      case "typing":
      case "sending":
        this.#tell(message.type, message);
        break;
      case "direct":
        this.#onDirect(message.allowed);
        break;
      case "description":
        this.onDescription(message.description);
        break;
      case "candidate":
        this.onCandidate(message.candidate);
        break;
      case "bye":
        this.#tell("ended", "bye");
        break;
    }
  }

  #onDirect(allowed) {
    if (!this.#isAgreed) {
      this.#partnerAgrees = allowed;
      this.#wasRefused ||= !allowed;
    }
    this.#settle(allowed);
  }

  /** `hasHeard`: the partner agrees at this moment, and did not only before. */
  #settle(hasHeard) {
    if (!this.#agrees || !this.#partnerAgrees) return;
    const isNew = !this.#isAgreed;
    this.#isAgreed = true;
    if (isNew && this.#isHidden) {
      this.#isHidden = false;
      this.#connection.setConfiguration({ iceServers: this.#iceServers, iceTransportPolicy: "all", bundlePolicy: "max-bundle" });
    }
    if (!hasHeard || !this.#wasRefused) return;
    if (this.#role === "answerer") {
      if (isNew) this.#message({ type: "direct", allowed: true });
    } else if (!this.#hasRestarted) {
      this.#hasRestarted = true;
      this.restart();
    }
  }

  #tellSending() {
    const sends = (kind) => this.#track(kind)?.enabled ?? false;
    this.#message({ type: "sending", audio: sends("audio"), video: sends("video") });
  }

  #track(kind) {
    return this.#tracks.find((track) => track.kind === kind) ?? null;
  }

  /** The local description as the protocol writes it. */
  #numbered(number) {
    const { type, sdp } = this.#connection.localDescription;
    return { type, sdp, number };
  }

  /** Over the server, or directly when the room is gone. */
  #signal(message) {
    if (!this.#say(message)) this.#message(message);
  }

  #message(message) {
    const isOpen = this.#channel?.readyState === "open";
    if (isOpen) this.#channel.send(JSON.stringify(message));
    return isOpen;
  }

  #enqueue(step) {
    this.#work = this.#work.then(step).catch((error) => this.#tell("trouble", `${error.name}: ${error.message}`));
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
