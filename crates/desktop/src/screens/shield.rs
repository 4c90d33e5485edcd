//! What stands over the picture about the network address: hidden, on the way to a direct path, or direct.

use super::View;
use crate::actions::Action;
use crate::icons::Icon;
use crate::shield::ShieldStage;
use crate::state::WindowState;
use crate::widgets::Pill;
use crate::{text, theme};

/// The pill for `stage`. Where pressing it does something, it says what.
pub(super) fn pill(stage: ShieldStage, view: View<'_>, state: &WindowState) -> Pill {
    let (words, meaning) = text::shield_stage(stage);
    let action = Action::ToggleDirect;
    let (icon, color) = match stage {
        ShieldStage::Enforced | ShieldStage::Hidden { .. } | ShieldStage::Waiting => {
            (Icon::Shield, theme::good())
        }
        ShieldStage::Switching => (Icon::Direct, theme::accent_hovered()),
        ShieldStage::Direct => (Icon::Direct, theme::good()),
        ShieldStage::StillRelayed => (Icon::Shield, theme::text_second()),
    };
    let pill = Pill::new().icon(icon, color);
    let call = match stage {
        ShieldStage::Hidden { .. } => tr!("Go direct"),
        ShieldStage::Waiting => tr!("Take back"),
        _ => return pill.plain(words).hint(meaning),
    };
    let name = format!("{}. {words}", action.name(view.snapshot, state));
    let hint = format!("{meaning}  ({})", action.key(state));
    pill.button(name, hint).plain(words).call(call)
}
