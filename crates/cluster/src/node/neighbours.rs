//! The other servers: what they say, whether they are there, and what ends with them.

use std::time::Instant;

use matchmaker::PeerId;
use protocol::{LeaveReason, RoomId};

use super::{
    GONE_AFTER, MAX_NODES, Neighbour, Node, PROPOSED_WITHIN, REMEMBERED, Room, Stage, gone,
};
use crate::{
    NodeId, Output,
    link::Link,
    words::{Packet, Word},
};

impl<Names: FnMut() -> RoomId> Node<Names> {
    /// These servers are there, as Redis knows.
    pub fn on_roster(&mut self, nodes: impl IntoIterator<Item = NodeId>, now: Instant) {
        for node in nodes {
            if let Some(neighbour) = self.neighbours.get_mut(&node) {
                neighbour.seen_at = now;
            }
        }
        let Some(up_since) = self.up_since else {
            return;
        };
        let of_all = self.neighbours.iter();
        let silent = of_all.filter(|(_, it)| now >= it.seen_at.max(up_since) + GONE_AFTER);
        let silent: Vec<(NodeId, bool, Instant)> = silent
            .map(|(node, it)| (*node, it.is_gone, it.seen_at))
            .collect();
        for (node, is_gone, seen_at) in silent {
            if !is_gone {
                self.cut(node, now);
                if let Some(neighbour) = self.neighbours.get_mut(&node) {
                    neighbour.is_gone = true;
                }
            } else if now >= seen_at + REMEMBERED {
                self.neighbours.remove(&node);
            }
        }
    }

    /// The bus has brought something. False if it is no packet.
    pub fn on_packet(&mut self, text: &str, now: Instant) -> bool {
        let Ok(packet) = serde_json::from_str::<Packet>(text) else {
            return false;
        };
        let from = packet.from;
        if from == self.me {
            return true;
        }
        let Some(neighbour) = self.neighbour(from, now) else {
            return true;
        };
        neighbour.seen_at = now;
        neighbour.is_gone = false;
        let heard = neighbour.link.hear(packet, now);
        if heard.is_unknown {
            self.cut(from, now);
        }
        for word in heard.words {
            self.on_word(from, word, now);
        }
        true
    }

    fn on_word(&mut self, from: NodeId, word: Word, now: Instant) {
        match word {
            Word::Propose {
                room,
                ticket,
                introduction,
            } => {
                let peer = self.holder(ticket);
                if let Some(peer) = peer
                    && introduction.who.node == from
                {
                    let due = Some(now + PROPOSED_WITHIN);
                    self.set(peer, Stage::Proposed { room, from }, due);
                    self.outputs.push_back(Output::Proposed {
                        peer,
                        room,
                        introduction,
                    });
                } else {
                    let is_forever = false;
                    self.say(from, &Word::Refuse { room, is_forever }, now);
                }
            }
            Word::Accept { room, acceptance } => match self.proposer(room, from) {
                Some(peer) => {
                    self.remove(peer);
                    self.rooms.insert(room, Room { peer, node: from });
                    self.outputs.push_back(Output::Accepted {
                        peer,
                        room,
                        acceptance,
                    });
                }
                None if self.rooms.contains_key(&room) => {}
                None => self.say(from, &gone(room), now),
            },
            Word::Refuse { room, is_forever } => {
                if let Some(peer) = self.proposer(room, from) {
                    self.put_back(peer, false, is_forever);
                }
            }
            Word::Decline { ticket } => {
                if let Some(peer) = self.holder(ticket) {
                    self.renew(peer);
                }
            }
            Word::Said { room, message } => match self.rooms.get(&room) {
                Some(&Room { peer, node }) if node == from => {
                    self.outputs.push_back(Output::Said {
                        peer,
                        room,
                        message,
                    });
                }
                _ => self.say(from, &gone(room), now),
            },
            Word::Gone { room, reason } => match self.rooms.get(&room) {
                Some(&Room { peer, node }) if node == from => {
                    self.rooms.remove(&room);
                    self.outputs
                        .push_back(Output::PartnerGone { peer, room, reason });
                }
                _ => {
                    if let Some(peer) = self.proposer(room, from) {
                        self.put_back(peer, true, false);
                    } else if let Some(peer) = self.proposed(room) {
                        // It was taken back before we have looked at it.
                        self.renew(peer);
                    }
                }
            },
            Word::Reset => self.part(from),
            Word::Farewell => {
                self.part(from);
                if let Some(neighbour) = self.neighbours.get_mut(&from) {
                    neighbour.is_gone = true;
                }
            }
        }
    }

    /// This server ends: the others are to hear at once that its people are gone.
    pub fn farewell(&mut self, now: Instant) {
        let there = self.neighbours.iter().filter(|(_, it)| !it.is_gone);
        let there: Vec<NodeId> = there.map(|(node, _)| *node).collect();
        for node in there {
            if let Some(neighbour) = self.neighbours.get_mut(&node) {
                // There is no other time for what was lost before.
                neighbour.link.say_all_again(now);
            }
            self.say(node, &Word::Farewell, now);
        }
    }

    fn neighbour(&mut self, node: NodeId, now: Instant) -> Option<&mut Neighbour> {
        if !self.neighbours.contains_key(&node) {
            if self.neighbours.len() >= MAX_NODES {
                return None;
            }
            self.last_run += 1;
            let neighbour = Neighbour {
                link: Link::new(self.last_run),
                seen_at: now,
                is_gone: false,
            };
            self.neighbours.insert(node, neighbour);
        }
        self.neighbours.get_mut(&node)
    }

    pub(super) fn say(&mut self, to: NodeId, word: &Word, now: Instant) {
        let Some(neighbour) = self.neighbour(to, now) else {
            return;
        };
        if neighbour.link.say(word, now).is_err() {
            self.cut(to, now);
        }
    }

    /// Ends everything with a server that is gone, or does not hear us, and tells it.
    pub(super) fn cut(&mut self, node: NodeId, now: Instant) {
        self.part(node);
        if let Some(neighbour) = self.neighbours.get_mut(&node) {
            let said = neighbour.link.say(&Word::Reset, now);
            debug_assert!(said.is_ok(), "there is room in an empty link");
        }
    }

    /// Ends everything with a server. What it accepts after that is gone, and what it proposes is new.
    fn part(&mut self, node: NodeId) {
        self.last_run += 1;
        let run = self.last_run;
        if let Some(neighbour) = self.neighbours.get_mut(&node) {
            neighbour.link.cut(run);
        }
        self.end_rooms(node);
        let of_all = self.waiters.iter();
        let proposing = of_all.filter(
            |(_, it)| matches!(it.stage, Stage::Proposing { other, .. } if other.node == node),
        );
        let proposing: Vec<PeerId> = proposing.map(|(peer, _)| *peer).collect();
        for peer in proposing {
            self.put_back(peer, true, false);
        }
        // What it has proposed in the same breath is over before the owner has heard of it.
        let of_all = self.waiters.iter();
        let proposed = of_all
            .filter(|(_, it)| matches!(it.stage, Stage::Proposed { from, .. } if from == node));
        let proposed: Vec<PeerId> = proposed.map(|(peer, _)| *peer).collect();
        for peer in proposed {
            self.renew(peer);
        }
    }

    fn end_rooms(&mut self, node: NodeId) {
        let of_all = self.rooms.iter().filter(|(_, room)| room.node == node);
        let ended: Vec<(RoomId, PeerId)> = of_all.map(|(room, it)| (*room, it.peer)).collect();
        for (room, peer) in ended {
            self.rooms.remove(&room);
            let reason = LeaveReason::Disconnected;
            self.outputs
                .push_back(Output::PartnerGone { peer, room, reason });
        }
    }
}
