//! Screens in a call: ours, and the partner's.

use call::State;
use devices::VideoSource;

use super::Session;
use super::peers::PartnerScreen;
use crate::peer_task::Order;

impl Session {
    /// Shares `source` with the present partner, or ends that. Without a partner nothing is shared.
    pub(super) fn share_screen(&mut self, source: Option<VideoSource>) {
        let is_in_call = matches!(
            self.call.state(),
            State::Connected { .. } | State::Reconnecting { .. }
        );
        let live = self.live.as_ref().filter(|_| is_in_call);
        match (
            source,
            live.and_then(|live| Some((&live.task, live.media.as_ref()?))),
        ) {
            (Some(source), Some((task, media))) => {
                if task.order(Order::ShareScreen).is_err() {
                    tracing::warn!("the screen is not shared: the connection does not keep up");
                    return;
                }
                self.deck.share(source);
                self.deck.send_screen_to(&media.peer);
            }
            (Some(_), None) => tracing::debug!("there is nobody to share a screen with"),
            (None, _) => self.deck.stop_sharing(),
        }
        self.tell_what_we_send();
    }

    /// The partner says whether it shares a screen.
    pub(super) fn on_partner_screen(&mut self, is_shared: bool) {
        self.partner.view.is_sending_screen = is_shared;
        if !is_shared {
            self.deck.clear_remote_screen();
        }
        let media = self.live.as_mut().and_then(|live| live.media.as_mut());
        let Some(media) = media else {
            return;
        };
        media.screen = match std::mem::replace(&mut media.screen, PartnerScreen::None) {
            PartnerScreen::Awaited(packets) if is_shared => {
                PartnerScreen::Received(self.deck.receive_screen(&media.peer, packets))
            }
            other => other,
        };
        if let PartnerScreen::Received(screen) = &media.screen {
            screen.set_seen(is_shared);
        }
    }
}
