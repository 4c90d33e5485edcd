//! A window that outlives its graphics card: where a driver takes the context away (an update, a reset, some machines when they wake up), a new
//! window takes the old one's place, and the call goes on meanwhile.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use eframe::{CreationContext, Frame};
use egui::{Context, Ui};

use crate::app::App;

/// So often a window is opened anew within [`SPAN`]. A card that fails more often will not do better the next time.
const MOST: usize = 3;
const SPAN: Duration = Duration::from_mins(1);

/// An app that outlives its window. Clones are the same one.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<App>>);

impl Shared {
    /// Whoever has it keeps it running.
    pub fn new(app: App) -> Self {
        Self(Rc::new(RefCell::new(app)))
    }

    /// Goes on in a window that has just been made.
    pub fn move_to(&self, creation: &CreationContext<'_>) {
        self.0.borrow_mut().move_to(creation);
    }
}

impl eframe::App for Shared {
    fn logic(&mut self, ctx: &Context, frame: &mut Frame) {
        self.0.borrow_mut().logic(ctx, frame);
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut Frame) {
        self.0.borrow_mut().ui(ui, frame);
    }
}

/// When a window that has failed is opened anew.
#[derive(Debug, Default)]
pub struct Reopening {
    /// The newest times.
    done_at: VecDeque<Instant>,
}

impl Reopening {
    /// Whether to open the window anew after this error, at `now`. Counts as done if so.
    pub fn may_follow(&mut self, error: &eframe::Error, now: Instant) -> bool {
        let is_old = |at: &mut Instant| now.saturating_duration_since(*at) >= SPAN;
        while self.done_at.pop_front_if(is_old).is_some() {}
        let may = is_of_graphics(error) && self.done_at.len() < MOST;
        if may {
            self.done_at.push_back(now);
        }
        may
    }
}

/// Whether it is the graphics card or its driver that has failed, and not the display or the program.
const fn is_of_graphics(error: &eframe::Error) -> bool {
    matches!(error, eframe::Error::Glutin(_) | eframe::Error::OpenGL(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> eframe::Error {
        eframe::Error::OpenGL("the context is lost".to_owned().into())
    }

    #[test]
    fn a_card_that_fails_now_and_then_is_no_reason_to_give_up() {
        let mut reopening = Reopening::default();
        let start = Instant::now();
        for minute in 0..20 {
            let at = start + Duration::from_secs(25) * minute;
            assert!(reopening.may_follow(&lost(), at), "{minute}");
        }
    }

    #[test]
    fn a_card_that_fails_at_once_each_time_is_given_up() {
        let mut reopening = Reopening::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let outcomes = [0, 1, 2, 3, 59].map(|second| reopening.may_follow(&lost(), at(second)));
        assert_eq!(outcomes, [true, true, true, false, false]);
        assert!(reopening.may_follow(&lost(), at(60)));
    }

    #[test]
    fn what_the_program_or_the_display_does_wrong_is_no_reason_to_try_again() {
        let mut reopening = Reopening::default();
        let ours = eframe::Error::AppCreation("no engine".into());
        assert!(!reopening.may_follow(&ours, Instant::now()));
    }
}
