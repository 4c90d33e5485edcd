//! What becomes of a datagram that comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::datagram::{Content, Datagram, payload, wrapped_as_arrival};
use super::super::inbox::Inbox;
use super::super::stun;
use super::{Fate, MAX_EARLY, Paths};
use crate::CandidateKind;

/// A datagram, and where it was on its way.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    inbox: &'a Arc<Inbox>,
    local: SocketAddr,
    from: SocketAddr,
    datagram: Datagram,
    bytes: &'a [u8],
    now: Instant,
}

impl Paths {
    /// A datagram came: what becomes of it. One to be held is already kept afterwards.
    pub(in crate::runtime) fn on_received(
        self: &Arc<Self>,
        inbox: &Arc<Inbox>,
        local: SocketAddr,
        from: SocketAddr,
        datagram: Datagram,
        bytes: &[u8],
        now: Instant,
    ) -> Fate {
        if self.is_shielded.load(Ordering::Relaxed) && !self.is_server(from) {
            return Fate::Drop;
        }
        let content = datagram.content;
        if matches!(
            content,
            Content::Media | Content::DtlsRecord | Content::Handshake | Content::Check
        ) {
            let since = now.saturating_duration_since(self.opened_at);
            self.last_arrival_us
                .store(since.as_micros() as u64, Ordering::Relaxed);
        }
        let arrival = Arrival {
            inbox,
            local,
            from,
            datagram,
            bytes,
            now,
        };
        if content == Content::Check {
            return self.on_check(arrival);
        }
        if content == Content::Handshake && self.on_handshake(arrival) == Fate::Hold {
            return Fate::Hold;
        }
        if self.is_holding.load(Ordering::Relaxed) {
            let mut state = self.lock();
            if state.hold.wants(content) {
                state.hold.keep((Arc::clone(inbox), from), bytes, now);
                return Fate::Hold;
            }
        }
        if datagram.is_wrapped
            && content == Content::Media
            && self.introduce(&mut self.lock(), inbox, from, datagram, bytes, now)
        {
            return Fate::Hold;
        }
        Fate::Pass
    }

    /// A connectivity check of the partner, or an answer to one of ours (RFC 8445 section 7).
    fn on_check(&self, arrival: Arrival<'_>) -> Fate {
        let (inbox, from, bytes, now) = (arrival.inbox, arrival.from, arrival.bytes, arrival.now);
        let (local, is_wrapped) = (arrival.local, arrival.datagram.is_wrapped);
        let mut state = self.lock();
        let is_request = payload(bytes).starts_with(&stun::BINDING_REQUEST.to_be_bytes());
        if is_request {
            state.gate.on_check_of_partner();
        }
        if is_request && (!state.is_partner_known || state.is_of_next_generation(payload(bytes))) {
            if state.early_checks.len() >= MAX_EARLY {
                state.early_checks.pop_front();
            }
            let early = (Arc::clone(inbox), from, bytes.to_vec());
            state.early_checks.push_back(early);
            return Fate::Hold;
        }
        if is_request && !is_wrapped {
            state.nomination.on_request((local, from), bytes);
        }
        let Some(round_trip) = state.checks.on_received(payload(bytes), now) else {
            return Fate::Pass;
        };
        self.round_trip.set(round_trip);
        let is_relayed = is_wrapped || state.remote_kinds.get(&from) == Some(&CandidateKind::Relay);
        if is_relayed {
            state.gate.on_round_trip(round_trip);
            let may_pass = !self.is_connecting.load(Ordering::Relaxed)
                || self.is_shielded.load(Ordering::Relaxed)
                || state.gate.is_open(now);
            if !may_pass {
                return Fate::Drop;
            }
        }
        let pair = (!is_relayed).then_some((local, from));
        let verdict = state.nomination.on_answer(pair, payload(bytes), now);
        for made in verdict.made {
            // After the answer that it follows from.
            inbox.push_admitted(from, made);
        }
        if verdict.is_settled {
            state.release_early();
        }
        if verdict.is_dropped {
            Fate::Drop
        } else {
            Fate::Pass
        }
    }

    /// A message of the DTLS handshake: it may be too early for the stack, and the first one is asked for a cookie.
    fn on_handshake(&self, arrival: Arrival<'_>) -> Fate {
        let (inbox, from, bytes, now) = (arrival.inbox, arrival.from, arrival.bytes, arrival.now);
        if !self.is_connecting.load(Ordering::Relaxed) {
            return Fate::Pass;
        }
        let first_hello = self
            .cookie
            .and_then(|cookie| cookie.first_hello(payload(bytes)));
        let first_hello = first_hello.map(|first| wrapped_as_arrival(bytes, &first));
        let mut state = self.lock();
        let must_wait = state.nomination.is_under_way(now);
        let is_kept = must_wait || first_hello.is_some();
        if is_kept {
            for message in first_hello.into_iter().chain([bytes.to_vec()]) {
                if state.early.len() < MAX_EARLY {
                    let early = (Arc::clone(inbox), from, message);
                    state.early.push_back(early);
                }
            }
        }
        if !must_wait {
            state.release_early();
        }
        if is_kept { Fate::Hold } else { Fate::Pass }
    }
}
