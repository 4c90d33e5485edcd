//! Offers, answers and candidates (RFC 9429): what is checked before the WebRTC stack sees them.
//!
//! When to make an offer, and who yields when two cross, is decided elsewhere.

mod ahead;
mod early_answer;
mod reading;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use media::video::VideoCodec;
use protocol::{Candidate, Description, DescriptionKind, limits, sdp};
use rtc::peer_connection::configuration::RTCOfferOptions;
use webrtc::peer_connection::{
    PeerConnection, RTCConfigurationBuilder, RTCIceCandidateInit, RTCIceServer,
    RTCSessionDescription,
};

use self::ahead::Ahead;
use self::early_answer::EarlyAnswer;
use self::reading::{MAX_CANDIDATES, check, fragment, password};
use crate::dtls_role::DtlsRole;
use crate::handler::{Fragment, SharedCandidates};
use crate::outgoing::SharedBudget;
use crate::payload_types::{InboundTypes, in_order_of_preference};
use crate::runtime::{Cookie, Draws, Paths, PeerRuntime};
use crate::section_names::told_apart;
use crate::send::Gate;
use crate::stats;

pub(crate) use self::early_answer::Answer;

/// Why a step of a negotiation failed. The descriptions are as they were before; the path may be gone if it was to restart.
#[derive(Debug, thiserror::Error)]
pub enum NegotiationError {
    /// The partner's description or candidate is longer, or has more parts, than any honest one.
    #[error("the partner's {what} is over its limit")]
    OverLimit {
        /// What there is too much of.
        what: &'static str,
    },
    /// The stack refused: what the partner sent makes no sense, or this step is not due.
    #[error("cannot {step}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// May quote from the session description: not for logs above `debug`.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stack panicked over it.
    #[error("the connection's machinery broke")]
    Broken,
}

/// How to look for another path (RFC 8445 section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// As [`Keep`](Self::Keep), for a path that works: a partner of our own leaves it only after this side has, so that the answer may
    /// take it too.
    Improve,
    /// The sockets stay, and so does the path that there is, until the partner has answered. Then media waits for the
    /// few round trips that the search takes, and none of it is lost.
    Keep,
    /// The network has changed: the sockets are bound anew, on the addresses that there are by now, and relays are asked
    /// anew. The path that there was is lost at once.
    Rebind,
}

/// How long media that was handed over already may take to leave before a restart.
const DRAIN_TIME: Duration = Duration::from_millis(2);

/// Makes descriptions and candidates known to one connection, a step at a time.
pub(crate) struct Negotiation {
    connection: Arc<dyn PeerConnection>,
    runtime: Arc<PeerRuntime>,
    paths: Arc<Paths>,
    gate: Arc<Gate>,
    candidates: Arc<SharedCandidates>,
    local_fragment: Arc<Fragment>,
    types: Arc<InboundTypes>,
    budget: Arc<SharedBudget>,
    video_codecs: Vec<VideoCodec>,
    ice_servers: Vec<RTCIceServer>,
    /// Whether only relays may be used from the next restart on.
    is_relay_only: AtomicBool,
    must_rebind: AtomicBool,
    remote_candidates: AtomicUsize,
    /// One step at a time.
    turn: tokio::sync::Mutex<Turn>,
}

/// What one step leaves for the next.
#[derive(Debug, Default)]
struct Turn {
    /// An offer that the partner has, and that the stack gets with the answer: from then on it sends nothing over the
    /// path that there was.
    deferred: Option<RTCSessionDescription>,
    ahead: Ahead,
    /// A restart of the partner's that the stack gets later.
    early: Option<EarlyAnswer>,
    /// How often relays were asked anew.
    rebinds: usize,
    dtls_role: DtlsRole,
}

type StackResult<T> = webrtc::error::Result<T>;

/// Of what a negotiation is made.
pub(crate) struct Parts {
    pub(crate) connection: Arc<dyn PeerConnection>,
    pub(crate) runtime: Arc<PeerRuntime>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) candidates: Arc<SharedCandidates>,
    pub(crate) local_fragment: Arc<Fragment>,
    pub(crate) types: Arc<InboundTypes>,
    pub(crate) budget: Arc<SharedBudget>,
    /// In order of preference.
    pub(crate) video_codecs: Vec<VideoCodec>,
    pub(crate) ice_servers: Vec<RTCIceServer>,
    pub(crate) is_relay_only: bool,
}

impl Negotiation {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            connection: parts.connection,
            runtime: parts.runtime,
            paths: parts.paths,
            gate: parts.gate,
            candidates: parts.candidates,
            local_fragment: parts.local_fragment,
            types: parts.types,
            budget: parts.budget,
            video_codecs: parts.video_codecs,
            ice_servers: parts.ice_servers,
            is_relay_only: AtomicBool::new(parts.is_relay_only),
            must_rebind: AtomicBool::new(false),
            remote_candidates: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Other paths than relayed ones may be used too, from the next restart on.
    pub(crate) fn allow_direct(&self) {
        self.is_relay_only.store(false, Ordering::Relaxed);
    }

    /// Makes the next restart, whoever asks for it, one that binds anew.
    pub(crate) fn rebind_at_next_restart(&self) {
        self.must_rebind.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn create_offer(
        &self,
        restart: Option<Restart>,
    ) -> Result<Description, NegotiationError> {
        let mut turn = self.after_early_answer().await;
        match std::mem::take(&mut turn.ahead) {
            Ahead::None => {}
            Ahead::Set => return self.standing_offer().await,
            Ahead::Told(offer) => return Ok(offer),
        }
        turn.deferred = None;
        let must_rebind = restart == Some(Restart::Rebind)
            || restart.is_some() && self.must_rebind.load(Ordering::Relaxed);
        if must_rebind {
            self.rebind(&mut turn).await?;
            self.leave_path().await;
        }
        if restart.is_some() {
            self.candidates
                .lock()
                .set_relay_only(self.is_relay_only.load(Ordering::Relaxed));
        }
        let ice_restart = restart.is_some();
        let connection = Arc::clone(&self.connection);
        let offer = step("offer", async move {
            connection
                .create_offer(Some(RTCOfferOptions { ice_restart }))
                .await
        })
        .await?;
        let mut sdp = self.told(&offer.sdp);
        if ice_restart && !must_rebind {
            if restart == Some(Restart::Improve) {
                sdp = sdp::with_line(&sdp, sdp::PATH_WORKS);
            }
            turn.deferred = Some(offer);
        } else {
            self.set_local("offer", offer).await?;
            if must_rebind {
                self.enter_generation();
            }
        }
        Ok(Description {
            kind: DescriptionKind::Offer,
            sdp,
            number: 0,
        })
    }

    pub(crate) async fn create_answer(&self) -> Result<Answer, NegotiationError> {
        let mut turn = self.turn.lock().await;
        if let Some(early) = turn.early.take() {
            return self.answer_early(&mut turn, early).await;
        }
        let connection = Arc::clone(&self.connection);
        let answer = step(
            "answer",
            async move { connection.create_answer(None).await },
        )
        .await?;
        let sdp = turn.dtls_role.answer(&self.told(&answer.sdp));
        self.set_local("answer", answer).await?;
        self.gate.on_agreement();
        Ok(Answer {
            description: Description {
                kind: DescriptionKind::Answer,
                sdp,
                number: 0,
            },
            taken_up: None,
        })
    }

    pub(crate) async fn apply_remote(
        &self,
        description: Description,
    ) -> Result<(), NegotiationError> {
        check(&description.sdp)?;
        let mut turn = self.turn.lock().await;
        let mut is_restart = false;
        match description.kind {
            DescriptionKind::Offer => {
                if turn.deferred.is_some() {
                    return Err(NegotiationError::Refused {
                        step: APPLY,
                        source: "an offer of this side is pending".into(),
                    });
                }
                is_restart = self.is_restart(&description.sdp).await;
                if is_restart {
                    // Another offer takes the place of one that the stack has not seen.
                    turn.early = None;
                    let is_relay_only = self.is_relay_only.load(Ordering::Relaxed);
                    self.candidates.lock().set_relay_only(is_relay_only);
                    let must_rebind =
                        self.must_rebind.load(Ordering::Relaxed) || self.paths.is_lost();
                    if !must_rebind && sdp::says(&description, sdp::PATH_WORKS) {
                        turn.early = Some(EarlyAnswer::new(description));
                        return Ok(());
                    }
                    // The path goes now, whatever it was worth: it is the moment for better sockets.
                    if must_rebind {
                        self.rebind(&mut turn).await?;
                    }
                    self.leave_path().await;
                } else {
                    self.finish_restart_in(&mut turn).await?;
                }
            }
            DescriptionKind::Answer => {
                if let Some(offer) = turn.deferred.take() {
                    is_restart = true;
                    self.leave_path().await;
                    self.set_local(APPLY, offer).await?;
                }
            }
        }
        let result = self
            .hand_over(&mut turn, description, is_restart, None)
            .await;
        if result.is_err() && is_restart {
            self.stay_on_path().await;
        }
        result
    }

    /// Gives the stack a description of the partner's, and the sockets what is in it for them. `draws` are to be drawn again.
    async fn hand_over(
        &self,
        turn: &mut Turn,
        description: Description,
        is_restart: bool,
        draws: Option<Draws>,
    ) -> Result<(), NegotiationError> {
        let candidates = check(&description.sdp)?;
        if let Some(password) = password(&description.sdp) {
            self.paths.on_remote_password(password);
        }
        self.paths
            .on_remote_cookie(Cookie::told_in(&description.sdp));
        self.types.learn_screen(&description.sdp);
        let repairs = sdp::says(&description, sdp::REPAIRS);
        self.budget.set_decoding_repair(repairs);
        for line in description.sdp.lines() {
            if let Some(candidate) = line.strip_prefix("a=candidate:") {
                self.paths.on_remote_candidate(candidate);
            } else if line.trim_end() == "a=end-of-candidates" {
                self.paths.on_end_of_remote_candidates();
            }
        }
        let is_answer = description.kind == DescriptionKind::Answer;
        let answer = is_answer.then(|| description.sdp.clone());
        let connection = Arc::clone(&self.connection);
        step(APPLY, async move {
            let description = match description.kind {
                DescriptionKind::Offer => RTCSessionDescription::offer(description.sdp)?,
                DescriptionKind::Answer => RTCSessionDescription::answer(description.sdp)?,
            };
            let draws = draws.unwrap_or_default();
            draws
                .again(connection.set_remote_description(description))
                .await
        })
        .await?;
        if let Some(answer) = answer {
            turn.dtls_role.on_answer(&answer);
            self.gate.on_agreement();
        }
        if is_restart {
            self.enter_generation();
        }
        self.paths.on_remote_description();
        self.remote_candidates.store(candidates, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn rollback(&self) -> Result<(), NegotiationError> {
        let mut turn = self.after_early_answer().await;
        // The stack has made up its mind to restart, and would with the next description that it is given, whatever that
        // is about. So it does now, and another restart must follow.
        if let Some(offer) = turn.deferred.take() {
            self.leave_path().await;
            self.set_local("roll back", offer).await?;
        }
        let (connection, fragment) = (
            Arc::clone(&self.connection),
            Arc::clone(&self.local_fragment),
        );
        step("roll back", async move {
            connection
                .set_local_description(RTCSessionDescription::rollback(None)?)
                .await?;
            if let Some(current) = connection.current_local_description().await {
                fragment.set_from(&current.sdp);
            }
            Ok(())
        })
        .await
    }

    /// Whether only relays are used from the next restart on, or already.
    pub(crate) fn is_relay_only(&self) -> bool {
        self.is_relay_only.load(Ordering::Relaxed)
    }

    pub(crate) async fn add_candidate(
        &self,
        candidate: Option<Candidate>,
    ) -> Result<(), NegotiationError> {
        // The stack does not wait for the end of candidates, so it need not know.
        let Some(candidate) = candidate else {
            self.paths.on_end_of_remote_candidates();
            return Ok(());
        };
        if candidate.candidate.len() > limits::CANDIDATE_BYTES {
            return Err(NegotiationError::OverLimit { what: "candidate" });
        }
        let mut turn = self.turn.lock().await;
        if let Some(early) = &mut turn.early
            && early.keep(&candidate)
        {
            return Ok(());
        }
        self.add_candidate_in(candidate).await
    }

    /// In a turn: gives the stack a candidate of the generation that it has.
    async fn add_candidate_in(&self, candidate: Candidate) -> Result<(), NegotiationError> {
        if self.remote_candidates.load(Ordering::Relaxed) >= MAX_CANDIDATES {
            return Err(NegotiationError::OverLimit {
                what: "number of candidates",
            });
        }
        let told = candidate.candidate.clone();
        let connection = Arc::clone(&self.connection);
        step("add the partner's candidate", async move {
            let init = RTCIceCandidateInit {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid,
                sdp_mline_index: candidate.sdp_m_line_index,
                username_fragment: candidate.username_fragment,
                url: None,
            };
            connection.add_ice_candidate(init).await
        })
        .await?;
        self.paths.on_remote_candidate(&told);
        self.remote_candidates.fetch_add(1, Ordering::Relaxed);
        self.runtime.wake().notify_one();
        Ok(())
    }

    /// What the partner is told of a description of the stack. Candidates may come before it is set, so the fragment
    /// goes first.
    fn told(&self, sdp: &str) -> String {
        self.local_fragment.set_from(sdp);
        self.types.learn(sdp);
        let told = told_apart(self.candidates.lock().rewrite(sdp));
        let told = in_order_of_preference(&told, &self.video_codecs);
        let told = match self.paths.cookie() {
            Some(cookie) => cookie.tell_in(&told),
            None => told,
        };
        let told = sdp::with_line(&told, sdp::ANSWERS_EARLY);
        sdp::with_line(&told, sdp::REPAIRS)
    }

    async fn set_local(
        &self,
        name: &'static str,
        description: RTCSessionDescription,
    ) -> Result<(), NegotiationError> {
        let connection = Arc::clone(&self.connection);
        step(name, async move {
            connection.set_local_description(description).await
        })
        .await
    }

    /// Whether this offer restarts ICE (RFC 8839 section 4.4.1.1.1).
    async fn is_restart(&self, sdp: &str) -> bool {
        let current = self.connection.current_remote_description().await;
        current.is_some_and(|current| fragment(&current.sdp) != fragment(sdp))
    }

    /// The stack is about to drop its path: media waits on both sides of it. If a shield is wanted from here on, it is up
    /// before the first check of the next generation.
    async fn leave_path(&self) {
        self.gate.pause();
        tokio::time::sleep(DRAIN_TIME).await;
        self.paths.on_restart();
    }

    /// The next generation has begun: its rules hold.
    fn enter_generation(&self) {
        self.paths
            .set_shield(self.is_relay_only.load(Ordering::Relaxed));
    }

    /// A restart came to nothing. Where the path is still there, what waits goes on.
    async fn stay_on_path(&self) {
        if stats::has_path(self.connection.as_ref()).await {
            self.paths.on_remote_description();
            self.paths.on_connected(Instant::now());
            self.gate.resume();
        }
    }

    /// Binds the sockets anew, and makes the stack ask relays anew.
    async fn rebind(&self, turn: &mut Turn) -> Result<(), NegotiationError> {
        self.must_rebind.store(false, Ordering::Relaxed);
        let places = self.runtime.rebind();
        self.gate.on_rebound();
        self.candidates.lock().on_rebound(places);
        let is_turn =
            |server: &&RTCIceServer| server.urls.iter().any(|url| url.starts_with("turn"));
        let Some(relay) = self.ice_servers.iter().find(is_turn) else {
            return Ok(());
        };
        // The stack keeps its allocations unless the list has changed: every second time one is named twice.
        let mut servers = self.ice_servers.clone();
        turn.rebinds += 1;
        if turn.rebinds % 2 == 1 {
            servers.push(relay.clone());
        }
        let configuration = RTCConfigurationBuilder::new()
            .with_ice_servers(servers)
            .build();
        let connection = Arc::clone(&self.connection);
        step("rebind", async move {
            connection.set_configuration(configuration).await
        })
        .await
    }
}

const APPLY: &str = "apply the partner's description";

/// Carries out one step in a task of its own, so that neither a panic of the stack nor a caller that gives up waiting
/// leaves half a step behind.
async fn step<T: Send + 'static>(
    name: &'static str,
    work: impl Future<Output = StackResult<T>> + Send + 'static,
) -> Result<T, NegotiationError> {
    match tokio::spawn(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(NegotiationError::Refused {
            step: name,
            source: Box::new(error),
        }),
        Err(error) => {
            tracing::error!(
                step = name,
                is_panic = error.is_panic(),
                "the connection's machinery broke"
            );
            Err(NegotiationError::Broken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_stack_is_an_error_here() {
        let result = step::<()>("test", async { panic!("on purpose") }).await;
        assert!(
            matches!(result, Err(NegotiationError::Broken)),
            "{result:?}"
        );
    }
}
