//! A card over everything, in the middle of the window.

use egui::{Color32, Frame, Id, Margin, Modal, Order, Stroke, Ui};

use crate::theme;

const PADDING: f32 = 20.0;

/// What lies over everything but the lists that are opened in it.
///
/// egui puts both on one level, and whichever was touched last on top. A tap that is pressed and let go within one frame touches the
/// card and opens the list at once, and the list could come to lie under the card.
pub(crate) fn modal(id: Id) -> Modal {
    Modal::new(id).area(Modal::default_area(id).order(Order::Middle))
}

/// Draws a card as wide as the window allows and `most_width` at most, and as high as what `content` draws into it. Returns what that
/// returns, and whether the person wants to leave: by Esc, or beside the card.
pub(crate) fn card<R>(
    ui: &Ui,
    name: &str,
    most_width: f32,
    content: impl FnOnce(&mut Ui) -> R,
) -> (R, bool) {
    let window = ui.ctx().content_rect();
    let width = (window.width() - 32.0).min(most_width) - 2.0 * PADDING;
    let frame = Frame::new()
        .fill(theme::surface())
        .stroke(Stroke::new(1.0, theme::line()))
        .corner_radius(theme::RADIUS_CARD)
        .inner_margin(Margin::same(PADDING as i8));
    let modal = modal(Id::unique(name))
        .backdrop_color(Color32::from_black_alpha(150))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            ui.set_width(width);
            ui.spacing_mut().item_spacing.y = 0.0;
            content(ui)
        });
    // It is placed by its size of the frame before, which changes with what stands in it.
    if (modal.response.rect.center() - window.center()).length() > 1.0 {
        ui.ctx().request_repaint();
    }
    let is_left = modal.should_close();
    (modal.inner, is_left)
}
