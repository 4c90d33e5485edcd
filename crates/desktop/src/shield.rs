//! How far a call has got on the way from a hidden network address to a direct path. Plain values, no engine, no egui.

use std::time::{Duration, Instant};

use engine::Snapshot;

/// How long a direct path may be looked for until the window says that there is none. The engine takes a few seconds.
const SEARCH_LIMIT: Duration = Duration::from_secs(15);
/// How long the window says what came of it.
const RESULT_LINGERS: Duration = Duration::from_secs(6);

/// Where a call stands that began with a hidden network address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShieldStage {
    /// Hidden, and the server wants it to stay so.
    Enforced,
    /// Hidden, and the person may agree to a direct path.
    Hidden {
        /// Whether the stranger has agreed already.
        is_partner_ready: bool,
    },
    /// The person agreed; the stranger has not yet.
    Waiting,
    /// Both agreed, and a direct path is being looked for.
    Switching,
    /// A direct path was found a moment ago.
    Direct,
    /// A moment ago it turned out that there is no direct path.
    StillRelayed,
}

/// What has to be remembered of a call to know its [`ShieldStage`].
#[derive(Debug, Default)]
pub struct Shield {
    was_hidden: bool,
    agreed_at: Option<Instant>,
    result: Option<(ShieldStage, Instant)>,
}

impl Shield {
    /// Takes note of what the engine says about a call that is connected or being reconnected.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Instant) {
        let Some(direct) = snapshot.direct else {
            *self = Self::default();
            return;
        };
        if direct.is_hidden {
            *self = Self {
                was_hidden: true,
                ..Self::default()
            };
        } else if self.was_hidden && self.result.is_none() {
            let agreed_at = *self.agreed_at.get_or_insert(now);
            let path = snapshot.statistics.path;
            self.result = if path.is_some_and(|path| !path.is_relayed()) {
                Some((ShieldStage::Direct, now))
            } else {
                let is_late = now.saturating_duration_since(agreed_at) >= SEARCH_LIMIT;
                is_late.then_some((ShieldStage::StillRelayed, now))
            };
        }
    }

    /// Where the call stands, or `None` if there is nothing to say about it.
    pub fn stage(&self, snapshot: &Snapshot, now: Instant) -> Option<ShieldStage> {
        let direct = snapshot.direct?;
        if direct.is_hidden {
            return Some(if !direct.is_permitted {
                ShieldStage::Enforced
            } else if direct.is_allowed {
                ShieldStage::Waiting
            } else {
                ShieldStage::Hidden {
                    is_partner_ready: direct.partner_allows == Some(true),
                }
            });
        }
        match self.result {
            Some((stage, at)) => {
                (now.saturating_duration_since(at) < RESULT_LINGERS).then_some(stage)
            }
            None => self.was_hidden.then_some(ShieldStage::Switching),
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::{CandidateKind, DirectView, PathProtocol, PathView};

    use super::*;

    const HIDDEN: DirectView = DirectView {
        is_hidden: true,
        is_allowed: false,
        partner_allows: Some(false),
        is_permitted: true,
    };
    const AGREED: DirectView = DirectView {
        is_hidden: false,
        is_allowed: true,
        partner_allows: Some(true),
        is_permitted: true,
    };

    /// A call, told second by second.
    struct Story {
        shield: Shield,
        start: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self {
                shield: Shield::default(),
                start: Instant::now(),
            }
        }

        fn at(
            &mut self,
            seconds: u64,
            direct: DirectView,
            local: CandidateKind,
        ) -> Option<ShieldStage> {
            let now = self.start + Duration::from_secs(seconds);
            let snapshot = snapshot(direct, local);
            self.shield.observe(&snapshot, now);
            self.shield.stage(&snapshot, now)
        }
    }

    fn snapshot(direct: DirectView, local: CandidateKind) -> Snapshot {
        let mut snapshot = crate::state::tests::nothing_yet();
        snapshot.direct = Some(direct);
        snapshot.statistics.path = Some(PathView {
            local,
            remote: CandidateKind::Host,
            protocol: PathProtocol::Udp,
            is_ipv6: false,
            round_trip: None,
        });
        snapshot
    }

    #[test]
    fn a_call_that_hides_nothing_has_nothing_to_say() {
        let mut story = Story::new();
        assert_eq!(story.at(0, AGREED, CandidateKind::Host), None);
        assert_eq!(
            story.at(60, AGREED, CandidateKind::Relay),
            None,
            "a relay that the network needs is no shield"
        );
    }

    #[test]
    fn direct_is_said_when_it_is_true_and_not_for_ever() {
        let mut story = Story::new();
        let relay = CandidateKind::Relay;
        let is_partner_ready = false;
        assert_eq!(
            story.at(0, HIDDEN, relay),
            Some(ShieldStage::Hidden { is_partner_ready })
        );
        let waiting = DirectView {
            is_allowed: true,
            ..HIDDEN
        };
        assert_eq!(story.at(5, waiting, relay), Some(ShieldStage::Waiting));
        assert_eq!(story.at(8, AGREED, relay), Some(ShieldStage::Switching));
        let host = CandidateKind::ServerReflexive;
        assert_eq!(story.at(9, AGREED, host), Some(ShieldStage::Direct));
        assert_eq!(story.at(14, AGREED, host), Some(ShieldStage::Direct));
        assert_eq!(story.at(15, AGREED, host), None);
        assert_eq!(
            story.at(40, AGREED, relay),
            None,
            "it does not begin again when the path changes"
        );
    }

    #[test]
    fn a_direct_path_that_does_not_exist_is_not_promised_for_ever() {
        let mut story = Story::new();
        let relay = CandidateKind::Relay;
        story.at(0, HIDDEN, relay);
        assert_eq!(story.at(1, AGREED, relay), Some(ShieldStage::Switching));
        assert_eq!(story.at(15, AGREED, relay), Some(ShieldStage::Switching));
        assert_eq!(story.at(16, AGREED, relay), Some(ShieldStage::StillRelayed));
        assert_eq!(story.at(22, AGREED, relay), None);
    }

    #[test]
    fn a_stranger_who_agrees_is_seen_and_a_server_that_does_not_permit_it_too() {
        let mut story = Story::new();
        let ready = DirectView {
            partner_allows: Some(true),
            ..HIDDEN
        };
        let is_partner_ready = true;
        assert_eq!(
            story.at(0, ready, CandidateKind::Relay),
            Some(ShieldStage::Hidden { is_partner_ready })
        );
        let enforced = DirectView {
            is_permitted: false,
            ..ready
        };
        assert_eq!(
            story.at(1, enforced, CandidateKind::Relay),
            Some(ShieldStage::Enforced)
        );
    }
}
