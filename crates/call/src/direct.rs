//! Whether two partners see each other's network address: the IP shield.
//!
//! A path over a relay hides both sides' addresses from each other. A call begins so if the server wants it or a person
//! asked for it, and goes direct when both agree. One who did not ask to be hidden agrees from the beginning.
//!
//! What a person once agreed to cannot be taken back within the call: the partner knows the address by then.

use protocol::{PathPolicy, Role};

/// What there is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Tell the partner whether this side agrees.
    Tell(bool),
    /// From the next negotiation on, the connection may use direct paths and tell its addresses.
    Allow,
    /// Look for a direct path.
    Restart,
}

/// The agreement of one call.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is so or not, in any combination"
)]
pub(crate) struct Direct {
    role: Role,
    policy: PathPolicy,
    /// Whether this side's connection uses relays only at present.
    is_hidden: bool,
    local: bool,
    /// Unknown until the partner has said it.
    remote: Option<bool>,
    /// Whether one of the two did not agree at some time, so that there is something to gain from a restart.
    was_refused: bool,
    is_channel_open: bool,
    is_agreed: bool,
    has_restarted: bool,
}

/// What a person may know and decide about the path of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectView {
    /// Whether this side hides its address from the partner at present.
    pub is_hidden: bool,
    /// Whether this side agrees to a direct path.
    pub is_allowed: bool,
    /// Whether the partner agrees; unknown before the two can talk.
    pub partner_allows: Option<bool>,
    /// Whether the server permits direct paths in this call.
    pub is_permitted: bool,
}

/// Whether a call hides this side's network address at its beginning: the server wants it so, or the person does.
pub const fn begins_hidden(policy: PathPolicy, wants_shield: bool) -> bool {
    wants_shield || !policy.is_any()
}

impl Direct {
    /// A call that begins. `wants_shield` is the person's own choice.
    pub(crate) fn new(role: Role, policy: PathPolicy, wants_shield: bool) -> Self {
        let is_hidden = begins_hidden(policy, wants_shield);
        Self {
            role,
            policy,
            is_hidden,
            local: !is_hidden,
            remote: None,
            was_refused: is_hidden,
            is_channel_open: false,
            is_agreed: false,
            has_restarted: false,
        }
    }

    pub(crate) const fn view(&self) -> DirectView {
        DirectView {
            is_hidden: self.is_hidden,
            is_allowed: self.local,
            partner_allows: self.remote,
            is_permitted: self.is_permitted(),
        }
    }

    const fn is_permitted(&self) -> bool {
        !matches!(self.policy, PathPolicy::RelayOnly)
    }

    /// The two can talk: each tells the other where it stands.
    pub(crate) fn on_channel_open(&mut self) -> Vec<Order> {
        self.is_channel_open = true;
        vec![Order::Tell(self.local)]
    }

    /// The person agrees, or takes it back.
    pub(crate) fn on_choice(&mut self, allowed: bool) -> Vec<Order> {
        if !self.is_permitted() || !self.is_hidden || allowed == self.local {
            return Vec::new();
        }
        self.local = allowed;
        let mut orders = Vec::new();
        if self.is_channel_open {
            orders.push(Order::Tell(allowed));
        }
        orders.extend(self.settle(false));
        orders
    }

    /// The partner said whether it agrees.
    pub(crate) fn on_partner(&mut self, allowed: bool) -> Vec<Order> {
        // What both agreed to holds for this call, whatever is said later.
        if !self.is_agreed {
            self.remote = Some(allowed);
            self.was_refused |= !allowed;
        }
        self.settle(allowed)
    }

    /// `has_heard`: the partner agrees at this moment, and did not only before.
    fn settle(&mut self, has_heard: bool) -> Vec<Order> {
        if !self.local || self.remote != Some(true) {
            return Vec::new();
        }
        let mut orders = Vec::new();
        let is_new = !std::mem::replace(&mut self.is_agreed, true);
        if is_new && std::mem::take(&mut self.is_hidden) {
            orders.push(Order::Allow);
        }
        if !has_heard || !self.was_refused {
            return orders;
        }
        // One side begins, so that the two do not cross: the offerer, once it knows that the partner knows, because its
        // offer goes over the server and could overtake what it said. So the other one answers the last word.
        match self.role {
            Role::Answerer if is_new => orders.push(Order::Tell(true)),
            Role::Offerer if !std::mem::replace(&mut self.has_restarted, true) => {
                orders.push(Order::Restart);
            }
            _ => {}
        }
        orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_hide_nothing_have_nothing_to_do() {
        let mut side = Direct::new(Role::Offerer, PathPolicy::Any, false);
        assert!(!side.is_hidden);
        assert_eq!(side.on_channel_open(), [Order::Tell(true)]);
        assert_eq!(side.on_partner(true), []);
        assert_eq!(side.on_choice(false), [], "the address is known already");
        assert!(side.view().is_allowed);
    }

    #[test]
    fn one_who_hides_goes_direct_when_the_person_agrees() {
        let mut hidden = Direct::new(Role::Offerer, PathPolicy::Any, true);
        assert!(hidden.is_hidden);
        assert_eq!(hidden.on_channel_open(), [Order::Tell(false)]);
        assert_eq!(hidden.on_partner(true), []);
        assert_eq!(hidden.on_choice(true), [Order::Tell(true), Order::Allow]);
        assert!(!hidden.is_hidden);
        assert_eq!(hidden.on_choice(false), [], "it cannot be taken back");
        assert_eq!(hidden.on_partner(true), [Order::Restart], "it has heard");
        assert_eq!(hidden.on_partner(true), [], "once is enough");
        assert_eq!(hidden.on_partner(false), []);
        assert_eq!(hidden.on_partner(true), [], "nor from the beginning");
        assert_eq!(hidden.view().partner_allows, Some(true));
    }

    #[test]
    fn the_offerer_restarts_for_a_partner_that_was_hidden() {
        let mut open = Direct::new(Role::Offerer, PathPolicy::Any, false);
        open.on_channel_open();
        assert_eq!(open.on_partner(false), []);
        assert_eq!(open.on_partner(true), [Order::Restart]);
        let mut hidden = Direct::new(Role::Answerer, PathPolicy::Any, true);
        hidden.on_channel_open();
        hidden.on_partner(true);
        assert_eq!(hidden.on_choice(true), [Order::Tell(true), Order::Allow]);
    }

    #[test]
    fn the_answerer_tells_the_offerer_that_it_has_heard() {
        let mut hidden = Direct::new(Role::Answerer, PathPolicy::Any, true);
        hidden.on_channel_open();
        hidden.on_choice(true);
        assert_eq!(hidden.on_partner(false), []);
        assert_eq!(hidden.on_partner(true), [Order::Allow, Order::Tell(true)]);
        assert_eq!(hidden.on_partner(true), [], "once is enough");
    }

    #[test]
    fn a_choice_before_the_two_can_talk_is_told_when_they_can() {
        let mut side = Direct::new(Role::Offerer, PathPolicy::RelayFirst, false);
        assert!(side.is_hidden, "the server wants it");
        assert_eq!(side.on_choice(true), []);
        assert_eq!(side.on_channel_open(), [Order::Tell(true)]);
        assert_eq!(side.on_partner(true), [Order::Allow, Order::Restart]);
    }

    #[test]
    fn what_was_agreed_to_may_be_taken_back_while_the_partner_has_not_agreed() {
        let mut side = Direct::new(Role::Offerer, PathPolicy::Any, true);
        side.on_channel_open();
        side.on_choice(true);
        assert_eq!(side.on_choice(false), [Order::Tell(false)]);
        assert_eq!(side.on_partner(true), []);
        assert!(side.is_hidden);
    }

    #[test]
    fn a_server_that_wants_relays_only_is_obeyed_whatever_the_partner_says() {
        let mut side = Direct::new(Role::Offerer, PathPolicy::RelayOnly, false);
        side.on_channel_open();
        assert_eq!(side.on_choice(true), []);
        assert_eq!(side.on_partner(true), []);
        assert!(side.is_hidden && !side.view().is_permitted);
    }

    /// Both sides and every order of what can happen: they reveal themselves only when both agreed, and in step.
    #[test]
    fn in_no_history_is_one_revealed_who_did_not_agree() {
        for history in 0..4_u32.pow(6) {
            let mut sides = [
                Direct::new(Role::Offerer, PathPolicy::Any, true),
                Direct::new(Role::Answerer, PathPolicy::Any, history % 2 == 0),
            ];
            let mut restarts = 0;
            let mut agreed_at_once = false;
            for side in 0..2 {
                let orders = sides[side].on_channel_open();
                restarts += carry_out(&mut sides, side, orders);
            }
            for step in 0..6 {
                let choice = history / 4_u32.pow(step) % 4;
                let (side, allowed) = ((choice % 2) as usize, choice / 2 == 1);
                let orders = sides[side].on_choice(allowed);
                restarts += carry_out(&mut sides, side, orders);
                agreed_at_once |= sides.iter().all(|side| side.local);
                let began_hidden = [true, history % 2 == 0];
                for (side, began_hidden) in sides.iter().zip(began_hidden) {
                    assert_eq!(side.is_hidden, began_hidden && !agreed_at_once);
                }
                assert_eq!(restarts, usize::from(agreed_at_once));
            }
        }
    }

    /// Tells the partner at once; returns the number of restarts.
    fn carry_out(sides: &mut [Direct; 2], from: usize, orders: Vec<Order>) -> usize {
        let mut restarts = 0;
        for order in orders {
            match order {
                Order::Tell(allowed) => {
                    let orders = sides[1 - from].on_partner(allowed);
                    restarts += carry_out(sides, 1 - from, orders);
                }
                Order::Allow => {}
                Order::Restart => restarts += 1,
            }
        }
        restarts
    }
}
