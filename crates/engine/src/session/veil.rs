//! The veil of the present call.

use protocol::PeerMessage;

use super::Session;
use crate::VeilView;

impl Session {
    /// A call begins as the person has chosen.
    pub(super) fn begin_veil(&mut self) {
        self.veil = Some(VeilView::begin(self.config.veil));
        self.draw_veil();
    }

    pub(super) fn end_veil(&mut self) {
        self.veil = None;
    }

    pub(super) fn lift_veil(&mut self, is_lifted: bool) {
        if let Some(veil) = &mut self.veil {
            veil.is_lifted = is_lifted;
            // First here: what is said may be answered with a look.
            self.draw_veil();
            self.tell_veil();
        }
    }

    pub(super) fn on_partner_veil(&mut self, is_lifted: bool) {
        if let Some(veil) = &mut self.veil {
            veil.partner_lifted = Some(is_lifted);
            self.draw_veil();
        }
    }

    pub(super) fn tell_veil(&self) {
        if let Some(veil) = self.veil {
            self.send(&PeerMessage::Veil {
                lifted: veil.is_lifted,
            });
        }
    }

    fn draw_veil(&self) {
        self.deck
            .set_veiled(self.veil.is_some_and(VeilView::is_down));
    }
}
