// The page around a guest: devices in, pictures and figures out. Tests speak to `window.passerby`.
//
// `?devices=none` asks for no camera and no microphone, so that the browser hides its addresses behind mDNS names;
// `?devices=clip` sends the microphone's sound as it is; `?devices=sound` is a microphone without a camera, from whose sound
// `&echo=cancelled` takes the echo and nothing else.

import { Guest } from "./guest.js";
import { Listen } from "./listen.js";
import { Watch } from "./watch.js";

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const options = new URLSearchParams(location.search);
const wanted = options.get("devices");
const partnerView = document.getElementById("partner");

const RAW_SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

let guest = null;
let watched = null;
let listened = null;
let standing = "away";
let seen = fresh();

/** What was seen and heard of the present or last call. */
function fresh() {
  return { role: null, matchedAt: null, firstPictureAt: null, partnerSends: null, chat: [], ended: null, trouble: [] };
}

async function start() {
  const size = { width: 640, height: 480, frameRate: 30 };
  const audio = { clip: RAW_SOUND, sound: { ...RAW_SOUND, echoCancellation: options.get("echo") === "cancelled" } }[wanted] ?? true;
  const video = wanted === "sound" ? false : size;
  const devices = wanted === "none" ? null : await navigator.mediaDevices.getUserMedia({ audio, video });
  document.getElementById("self").srcObject = devices;
  guest = new Guest(`${scheme}//${location.host}/v1/signalling`, devices?.getTracks() ?? []);
  guest.addEventListener("state", ({ detail }) => (standing = detail));
  guest.addEventListener("call", ({ detail }) => watch(detail));
  guest.addEventListener("ended", ({ detail }) => (seen.ended = detail));
  guest.addEventListener("refused", ({ detail }) => seen.trouble.push(`refused: ${detail}`));
  // Greeted by the server.
  await new Promise((resolve) => guest.addEventListener("state", ({ detail }) => detail === "idle" && resolve()));
}

function watch(call) {
  seen = { ...fresh(), role: call.role, matchedAt: performance.now() };
  const mine = seen;
  const stream = new MediaStream();
  partnerView.srcObject = stream;
  call.addEventListener("track", ({ detail }) => {
    stream.addTrack(detail);
    if (detail.kind === "audio") listened?.hear(detail);
  });
  call.addEventListener("chat", ({ detail }) => mine.chat.push(detail.text));
  call.addEventListener("sending", ({ detail }) => (mine.partnerSends = { audio: detail.audio, video: detail.video }));
  call.addEventListener("trouble", ({ detail }) => mine.trouble.push(detail));
  const onPicture = (now, { rtpTimestamp }) => {
    // Before the first picture an empty one is shown, which no packet has brought.
    if (rtpTimestamp === undefined) partnerView.requestVideoFrameCallback(onPicture);
    else mine.firstPictureAt ??= now;
  };
  partnerView.requestVideoFrameCallback(onPicture);
}

/** What is known of the present or last call, in figures. No addresses. */
async function figures() {
  const all = [...((await guest.call?.connection.getStats()) ?? new Map()).values()];
  const of = (type, kind) => all.find((one) => one.type === type && one.kind === kind) ?? {};
  const named = (id) => all.find((one) => one.id === id) ?? {};
  const isScreen = (one) => one.type === "inbound-rtp" && one.trackIdentifier === "screen";
  const screen = all.find(isScreen) ?? {};
  const pictures = all.find((one) => one.type === "inbound-rtp" && one.kind === "video" && !isScreen(one)) ?? {};
  const sound = of("inbound-rtp", "audio");
  const sentPictures = of("outbound-rtp", "video");
  const transport = all.find((one) => one.type === "transport") ?? {};
  const pair = named(transport.selectedCandidatePairId);
  const told = hostAddresses(guest.call?.connection.localDescription?.sdp ?? "");
  return {
    standing,
    state: guest.call?.connection.connectionState ?? "closed",
    role: seen.role,
    first_picture_ms: seen.firstPictureAt && seen.firstPictureAt - seen.matchedAt,
    partner_sends: seen.partnerSends,
    chat: seen.chat,
    ended: seen.ended,
    trouble: seen.trouble,
    frames_decoded: pictures.framesDecoded ?? 0,
    keyframes_decoded: pictures.keyFramesDecoded ?? 0,
    freezes: pictures.freezeCount ?? 0,
    frozen_s: pictures.totalFreezesDuration ?? 0,
    screen_decoded: screen.framesDecoded ?? 0,
    video_codec: named(pictures.codecId).mimeType ?? null,
    video_lost: pictures.packetsLost ?? 0,
    nacks_sent: pictures.nackCount ?? 0,
    retransmitted_received: pictures.retransmittedPacketsReceived ?? 0,
    keyframe_requests_sent: (pictures.pliCount ?? 0) + (pictures.firCount ?? 0),
    frames_sent: sentPictures.framesSent ?? 0,
    keyframes_sent: sentPictures.keyFramesEncoded ?? 0,
    nacks_received: sentPictures.nackCount ?? 0,
    retransmitted_sent: sentPictures.retransmittedPacketsSent ?? 0,
    keyframe_requests_received: (sentPictures.pliCount ?? 0) + (sentPictures.firCount ?? 0),
    audio_packets_received: sound.packetsReceived ?? 0,
    audio_energy: sound.totalAudioEnergy ?? 0,
    audio_concealed_s: (sound.concealedSamples ?? 0) / 48_000,
    local_kind: named(pair.localCandidateId).candidateType ?? null,
    remote_kind: named(pair.remoteCandidateId).candidateType ?? null,
    user_fragment: named(pair.localCandidateId).usernameFragment ?? null,
    round_trip_ms: 1000 * (pair.currentRoundTripTime ?? 0),
    available_bps: pair.availableOutgoingBitrate ?? 0,
    told_addresses: told.length,
    told_names: told.filter((address) => address.endsWith(".local")).length,
  };
}

/** What the partner's sound was like so far. */
async function heard() {
  const all = [...((await guest.call?.connection.getStats()) ?? new Map()).values()];
  const sound = all.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio") ?? {};
  // Comfort noise of a partner that says nothing is concealment by name only.
  const concealed = (sound.concealedSamples ?? 0) - (sound.silentConcealedSamples ?? 0);
  return {
    all_s: (sound.totalSamplesReceived ?? 0) / 48_000,
    concealed_s: concealed / 48_000,
    waited_s: sound.jitterBufferDelay ?? 0,
    emitted: sound.jitterBufferEmittedCount ?? 0,
  };
}

/** What stands between packets and decoder: passes everything on, and asks for a keyframe when it is told to. */
const TRANSFORM = `onrtctransform = ({ transformer }) => {
  transformer.readable.pipeTo(transformer.writable);
  onmessage = () => transformer.sendKeyFrameRequest();
  postMessage("ready");
}`;

/** Asks the partner for a keyframe, as a decoder does that has lost the thread. */
async function askForKeyframe() {
  const receivers = guest.call?.connection.getReceivers() ?? [];
  const receiver = receivers.find(({ track }) => track.kind === "video");
  const worker = new Worker(URL.createObjectURL(new Blob([TRANSFORM])));
  const ready = new Promise((resolve) => (worker.onmessage = resolve));
  receiver.transform = new RTCRtpScriptTransform(worker);
  await ready;
  worker.postMessage("now");
}

/** What the partner is told of this machine's own addresses. */
function hostAddresses(sdp) {
  return [...sdp.matchAll(/^a=candidate:\S+ \d+ \S+ \d+ (\S+) \d+ typ host/gm)].map(([, address]) => address);
}

const started = start();

window.passerby = {
  ready: () => started,
  join: () => guest.join(),
  next: () => guest.next(),
  leave: () => guest.leave(),
  chat: (text) => guest.call?.chat(text),
  send: (kind, isOn) => guest.call?.send(kind, isOn),
  askForKeyframe,
  restart: () => guest.call?.restart(),
  /** What this browser can send and receive. */
  codecs: () => {
    const names = ({ codecs }) => [...new Set(codecs.map(({ mimeType }) => mimeType))];
    return {
      send: ["audio", "video"].flatMap((kind) => names(RTCRtpSender.getCapabilities(kind))),
      receive: ["audio", "video"].flatMap((kind) => names(RTCRtpReceiver.getCapabilities(kind))),
    };
  },
  figures,
  heard,
  /** Begins to look at both views, and to listen to both sides. */
  watch: async () => {
    const own = document.getElementById("self");
    watched = new Watch(own, partnerView);
    listened = new Listen();
    await listened.start(own.srcObject);
  },
  stopWatching: async () => {
    watched.stop();
    await listened.stop();
  },
  get watched() {
    return watched;
  },
  recording: () => listened.recording(),
  noticed: () => ({ matched_ms: seen.matchedAt && performance.timeOrigin + seen.matchedAt, ...watched.noticed() }),
};
