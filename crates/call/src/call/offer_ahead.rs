//! The offer of the connection that is ready for the next call, and what the server has of it.
//!
//! A server that has it hands it to the partner with the match, and says which one it was. Only that counts: whatever else
//! happens to the connection or on the way meanwhile, an offer that was handed over and is not the present one is made up for
//! by one with a greater number, of another connection (`docs/protocol.md`, section 6).

use protocol::{ClientMessage, Description, Role};

use crate::ReadyOffer;
use crate::negotiation::Beginning;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OfferAhead {
    present: Option<ReadyOffer>,
    /// How many there were since the last call began. The present one has this number.
    count: u32,
    /// Which one the server has, as far as we know.
    told: Option<u32>,
}

/// What a match means for the connection that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) beginning: Beginning,
    /// The partner has the offer of the connection that is ready, but that one does not fit any more.
    pub(super) is_spoilt: bool,
}

impl OfferAhead {
    /// There is another connection ready, or none. An offer that no server takes is like none.
    pub(super) fn set(&mut self, ready: Option<ReadyOffer>) {
        self.present = ready.filter(|ready| protocol::may_be_told_ahead(&ready.offer));
        if let Some(ready) = &mut self.present {
            self.count = self.count.saturating_add(1);
            ready.offer.number = self.count;
        }
    }

    /// What goes with the wish that begins a search. One who hides tells no address.
    pub(super) fn tell(&mut self, wants_shield: bool) -> Option<Description> {
        let present = self.present.as_ref();
        let offer = present
            .filter(|ready| ready.relay_only || !wants_shield)
            .map(|ready| ready.offer.clone());
        self.told = offer.as_ref().map(|offer| offer.number);
        offer
    }

    /// Nothing goes with a wish that is said again: it may cross a match, which has given the offer away already.
    pub(super) const fn withhold(&mut self) {
        self.told = None;
    }

    /// What a server has to hear with whom we wait.
    pub(super) fn update(&mut self, wants_shield: bool) -> Option<ClientMessage> {
        let before = self.told;
        let offer = self.tell(wants_shield);
        (self.told != before).then_some(ClientMessage::Offer { offer })
    }

    /// A call begins in which this side is hidden or not; the server has handed over the offer of that number.
    pub(super) fn on_matched(
        &mut self,
        role: Role,
        handed_over: Option<u32>,
        is_hidden: bool,
    ) -> Use {
        self.told = None;
        let handed_over = handed_over.filter(|_| role == Role::Offerer);
        let ready = self.present.as_ref();
        let fits = ready.is_some_and(|ready| ready.relay_only == is_hidden);
        let is_present = ready.is_some_and(|ready| handed_over == Some(ready.offer.number));
        let beginning = match handed_over {
            Some(number) if is_present && fits => Beginning::OfferGiven { number },
            Some(number) => Beginning::After {
                offers: self.count.max(number),
            },
            None => Beginning::After { offers: 0 },
        };
        if fits || is_present {
            self.present = None;
            self.count = 0;
        }
        Use {
            beginning,
            is_spoilt: is_present && !fits,
        }
    }

    /// A match is not taken. Whether the partner has the offer of the connection that is ready, so that nobody else may have it.
    pub(super) fn on_declined(&mut self, handed_over: Option<u32>) -> bool {
        let ready = self.present.as_ref();
        let is_spoilt = ready.is_some_and(|ready| handed_over == Some(ready.offer.number));
        if is_spoilt {
            self.present = None;
        }
        is_spoilt
    }
}
