//! What a person can ask for.

use devices::{AudioSink, AudioSource, VideoSource};
use protocol::ReportReason;
use voice::VoiceConfig;

/// A wish of the person. None of them ever waits or fails; what came of it shows in the next [`crate::Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Look for a partner.
    Start {
        /// What the person likes to talk about.
        interests: Vec<String>,
        /// A BCP 47 tag.
        language: Option<String>,
    },
    /// Leave this partner and look for another one. Does nothing while a search is on.
    Next,
    /// Leave this partner, or stop searching.
    Stop,
    /// Mute or unmute the microphone.
    SetMicrophone(bool),
    /// Switch the camera off or on. Off releases the device.
    SetCamera(bool),
    /// Use this source of pictures from now on, in a running call too.
    ChooseVideo(VideoSource),
    /// Use this source of sound from now on.
    ChooseAudio(AudioSource),
    /// Play sound here from now on.
    ChooseSpeaker(AudioSink),
    /// Clean the voice in this way from now on.
    SetVoice(VoiceConfig),
    /// Play the partner of this call so loud, in per cent of what is sent; at most 200. The next one is played at 100 again.
    SetVolume(u16),
    /// Look again which devices there are.
    ListDevices,
    /// Look which screens and windows can be shared, and how they look now (`Engine::previews`).
    ListShareable,
    /// Show the partner of this call a screen or a window, or any other source of pictures, beside the camera; none ends that. The end of
    /// the call ends it too, and without a partner nothing is shared.
    ShareScreen(Option<VideoSource>),
    /// Send a line of chat. Longer text than the protocol allows is cut.
    SendChat(String),
    /// Tell the partner whether the person is writing.
    SetTyping(bool),
    /// The partner's pictures are shown at this size from now on, as width and height in pixels of the screen; a side of zero
    /// means that nothing of them is seen. The partner is told in coarse steps and sends no larger ones, or none. Holds for later
    /// partners too; without it they send all that they have.
    SetShownSize((u32, u32)),
    /// Whether anybody sees a window of ours. While nobody does, and neither a search nor a call is on, camera and microphone are
    /// released. Without this command somebody does.
    SetSeen(bool),
    /// Let calls cost this machine little from now on, at the price of fewer and smaller pictures both ways; or make them good.
    SetPowerSaving(bool),
    /// Use this signalling server from now on.
    SetServer(String),
    /// Begin later calls over a relay, so that partners do not learn this machine's address, or directly.
    SetShield(bool),
    /// Begin later calls behind a veil, or without one.
    SetVeil(bool),
    /// Lift the veil of this call, or let it down again. Pictures go out veiled until both people have lifted it.
    LiftVeil(bool),
    /// Report the partner of this call, or the last one for five minutes after the partner is gone. What comes of it shows in
    /// [`crate::SafetyView::report`]. The call goes on: whoever does not want that says [`Command::Next`] or [`Command::Stop`] after this.
    Report {
        /// What it was.
        reason: ReportReason,
        /// More about it. Longer text than the protocol allows is cut.
        note: String,
        /// Never to meet the person again, as with [`Command::Block`].
        block: bool,
        /// Which lines of [`crate::SafetyView::chat`] go with it, by their numbers.
        lines: Vec<u32>,
    },
    /// Report the one who was there before the partner of this call, while [`crate::SafetyView::before_until`] allows it.
    ReportLast {
        /// What it was.
        reason: ReportReason,
        /// As in [`Command::Report`].
        note: String,
        /// As in [`Command::Report`].
        block: bool,
        /// Which lines of [`crate::SafetyView::chat_before`] go with it, by their numbers.
        lines: Vec<u32>,
    },
    /// Never to meet the partner of this call again, or the last one as in [`Command::Report`]. The call goes on.
    Block,
    /// Agree to a direct path in this call, or take that back while the partner has not agreed.
    AllowDirect(bool),
}
