//! Who may be seen: what is not veiled is not shown while the veil is down, whatever the stranger's program sends.

use engine::{Command, Snapshot};
use media::video::VideoFrame;

use crate::state::WindowState;

/// Whether this picture of the stranger may be shown now.
pub(crate) fn lets_through(snapshot: &Snapshot, frame: &VideoFrame) -> bool {
    may_show(snapshot, (frame.width_px(), frame.height_px()))
}

/// Whether a picture of this size may be shown now.
pub(crate) fn may_show(snapshot: &Snapshot, size_px: (u32, u32)) -> bool {
    !snapshot.veil.is_some_and(|veil| veil.hides(size_px))
}

/// Lifts the veil as soon as the stranger has, where the person wants that, once in a call.
pub(crate) fn lift_by_itself(state: &mut WindowState, snapshot: &Snapshot) -> Option<Command> {
    let veil = snapshot.veil?;
    let is_time = state.preferences.unveils_by_itself
        && veil.partner_lifted == Some(true)
        && !veil.is_lifted
        && !state.has_unveiled_by_itself;
    is_time.then(|| {
        state.has_unveiled_by_itself = true;
        Command::LiftVeil(true)
    })
}
