// A guest: version 1 of the protocol (docs/protocol.md, sections 1 to 6) in a browser.
//
// It owns the WebSocket and at most one call, and knows nothing of the page around it. What happens is told in events:
// `state` (away, idle, searching, matched), `call` (the new `Call` in `detail`), `ended` (why, in `detail`), `refused`
// (an error of the server's).
//
// A browser tells a page nothing of pings and takes none from it, so a guest takes no session up: after a lost connection it
// begins a new one. A call that is up goes on without the server.

import { Call } from "./call.js";

const VERSION = 1;
/** Pauses before connecting again, in milliseconds: the first one and the longest. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

export class Guest extends EventTarget {
  #url;
  #tracks;
  #socket = null;
  #isGreeted = false;
  #isClosed = false;
  #pause = FIRST_PAUSE;
  #wish = null; // what `join` asks for, while somebody is wanted
  #room = null;
  #call = null;

  /** `url` is the server's; `tracks` are what is sent to partners: at most one of each kind. */
  constructor(url, tracks = []) {
    super();
    this.#url = url;
    this.#tracks = tracks;
    this.#connect();
  }

  /** The present call, or null. */
  get call() {
    return this.#call;
  }

  /** Asks for a partner. */
  join(interests = [], language = null) {
    this.#end("next");
    this.#wish = { interests, language };
    this.#send({ type: "join", ...this.#wish });
    this.#state("searching");
  }

  /** Leaves the partner, if there is one, and asks for another. */
  next() {
    const room = this.#room;
    this.#end("next");
    this.#wish ??= { interests: [], language: null };
    this.#send({ type: "next", room });
    this.#state("searching");
  }

  /** Leaves the partner, or stops to wait for one. */
  leave() {
    const room = this.#room;
    this.#wish = null;
    this.#end("left");
    this.#send({ type: "leave", room });
    this.#state("idle");
  }

  /** Leaves, and does not come back. */
  close() {
    this.#isClosed = true;
    this.#end("left");
    this.#socket?.close(1000);
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: VERSION }));
    socket.onmessage = ({ data }) => this.#onMessage(JSON.parse(data));
    socket.onclose = () => this.#onLost();
  }

  #onLost() {
    this.#isGreeted = false;
    this.#loseRoom();
    if (this.#isClosed) return;
    this.#state("away");
    setTimeout(() => this.#connect(), this.#pause * (0.5 + Math.random() / 2));
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #send(message) {
    // What is wanted is said after `welcome` in any case.
    if (this.#isGreeted) this.#socket.send(JSON.stringify(message));
  }

  #onMessage(message) {
    switch (message.type) {
      case "welcome":
        this.#isGreeted = true;
        this.#pause = FIRST_PAUSE;
        if (this.#wish && !this.#call) this.#send({ type: "join", ...this.#wish });
        else this.#state("idle");
        break;
      case "matched":
        if (this.#wish) this.#onMatched(message);
        break;
      case "description":
        if (message.room === this.#room) this.#call?.onDescription(message.description);
        break;
      case "candidate":
        if (message.room === this.#room) this.#call?.onCandidate(message.candidate);
        break;
      case "partner_left":
        if (message.room === this.#room) this.#onPartnerLeft(message.reason);
        break;
      case "shutdown":
        this.#pause = message.reconnect_in_ms;
        break;
      case "error":
        if (message.code === "wrong_room" && message.room === this.#room) this.#onPartnerLeft("disconnected");
        this.dispatchEvent(new CustomEvent("refused", { detail: message.code }));
        break;
    }
  }

  #onMatched({ room, role, ice_servers: iceServers = [], path_policy: policy = "any" }) {
    // Only a `join` that crossed it can bring a second one.
    this.#end("next");
    const say = (message) => {
      if (this.#room !== room || !this.#isGreeted) return false;
      this.#send({ room, ...message });
      return true;
    };
    const call = new Call({ role, iceServers, policy, tracks: this.#tracks, say });
    this.#room = room;
    this.#call = call;
    call.addEventListener("ended", ({ detail }) => {
      if (this.#call === call) this.#end(detail);
    });
    this.#state("matched");
    this.dispatchEvent(new CustomEvent("call", { detail: call }));
    call.begin();
  }

  #onPartnerLeft(reason) {
    if (reason === "disconnected") this.#loseRoom();
    else this.#end(reason);
  }

  /** The server knows the room no longer. A call that is up goes on. */
  #loseRoom() {
    this.#room = null;
    if (this.#call && !this.#call.isUp) this.#end("disconnected");
  }

  #end(reason) {
    const call = this.#call;
    this.#room = null;
    if (!call) return;
    this.#call = null;
    call.close();
    this.dispatchEvent(new CustomEvent("ended", { detail: reason }));
  }

  #state(name) {
    this.dispatchEvent(new CustomEvent("state", { detail: name }));
  }
}
