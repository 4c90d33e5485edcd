//! The newest pictures, ready to be drawn.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egui::{Color32, ColorImage, Context, ImageData, TextureHandle, TextureId, TextureOptions};
use egui::{Vec2, vec2};
use media::video::{Scaler, VideoFrame, to_rgba};

use crate::planes::{Planes, Renderer};

/// One's own picture and the stranger's.
#[derive(Default)]
pub struct Pictures {
    /// One's own.
    pub local: Picture,
    /// The stranger's.
    pub remote: Picture,
    /// The stranger's screen.
    pub remote_screen: Picture,
    /// One's own screen, while it is shared.
    pub local_screen: Picture,
}

impl Pictures {
    /// Has them drawn as planes from the next ones on. Otherwise the CPU converts them, which every renderer of egui can draw.
    pub fn draw_with(&self, renderer: &Arc<Renderer>) {
        let all = [
            &self.local,
            &self.remote,
            &self.remote_screen,
            &self.local_screen,
        ];
        for picture in all {
            picture.inner().renderer = Some(Arc::clone(renderer));
        }
    }
}

/// A picture that changes many times a second. Clones show the same one: the mini window has what the main window has.
#[derive(Default, Clone)]
pub struct Picture {
    inner: Arc<Mutex<Inner>>,
    planes: Arc<Planes>,
}

#[derive(Default)]
struct Inner {
    /// Who draws planes, if anybody does.
    renderer: Option<Arc<Renderer>>,
    shown: Shown,
    /// What is in the texture, or will be. The renderer lets go of it when it has drawn it, and then the next is written here.
    image: Arc<ColorImage>,
    /// For pictures that are larger than the GPU takes.
    scaler: Scaler,
}

#[derive(Default)]
enum Shown {
    #[default]
    Nothing,
    Texture(TextureHandle),
    /// As planes, by this renderer; so many pixels.
    Planes(Arc<Renderer>, (u32, u32)),
}

/// What a picture is drawn from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A texture of egui.
    Texture(TextureId),
    /// The planes of this picture.
    Planes(&'a Picture),
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Texture(id) => f.debug_tuple("Texture").field(id).finish(),
            Self::Planes(_) => f.write_str("Planes"),
        }
    }
}

impl Picture {
    /// Shows `frame` from now on.
    pub fn set(&self, ctx: &Context, frame: impl Into<Arc<VideoFrame>>) {
        let frame = frame.into();
        let inner = &mut *self.inner();
        let max_side_px = ctx.input(|input| input.max_texture_side);
        let smaller = inner.smaller(&frame, max_side_px);
        let frame = smaller.unwrap_or(frame);
        if let Some(renderer) = inner.renderer.as_ref().filter(|it| it.is_usable()) {
            let size_px = (frame.width_px(), frame.height_px());
            inner.shown = Shown::Planes(Arc::clone(renderer), size_px);
            self.planes.set(frame);
        } else {
            self.planes.clear();
            inner.set_texture(ctx, &frame);
        }
    }

    /// Shows nothing from now on.
    pub fn clear(&self) {
        self.inner().shown = Shown::Nothing;
        self.planes.clear();
    }

    /// Width and height in pixels, if there is a picture.
    pub fn size_px(&self) -> Option<(u32, u32)> {
        let (_, size) = self.get()?;
        Some((size.x as u32, size.y as u32))
    }

    /// What to draw it from and its size in pixels, if there is a picture.
    pub fn get(&self) -> Option<(Source<'_>, Vec2)> {
        match &self.inner().shown {
            Shown::Nothing => None,
            Shown::Texture(texture) => {
                let [width, height] = texture.size();
                let source = Source::Texture(texture.id());
                Some((source, vec2(width as f32, height as f32)))
            }
            Shown::Planes(_, (width, height)) => {
                Some((Source::Planes(self), vec2(*width as f32, *height as f32)))
            }
        }
    }

    /// The planes and who draws them, if it is drawn that way.
    pub(crate) fn planes(&self) -> Option<(&Arc<Planes>, Arc<Renderer>)> {
        match &self.inner().shown {
            Shown::Planes(renderer, _) => Some((&self.planes, Arc::clone(renderer))),
            Shown::Nothing | Shown::Texture(_) => None,
        }
    }

    /// How many pictures were uploaded as planes.
    pub fn uploads(&self) -> u64 {
        self.planes.uploads()
    }

    /// All windows are drawn by one thread, so that nobody waits here.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes `frame` into the texture.
    fn set_texture(&mut self, ctx: &Context, frame: &VideoFrame) {
        let size = [frame.width_px() as usize, frame.height_px() as usize];
        if self.image.size != size || Arc::get_mut(&mut self.image).is_none() {
            self.image = Arc::new(ColorImage::filled(size, Color32::BLACK));
        }
        // An opaque picture is its own premultiplied form. Nobody else has the image, so that nothing is copied.
        to_rgba(frame, Arc::make_mut(&mut self.image).as_raw_mut());
        let image = ImageData::Color(Arc::clone(&self.image));
        match &mut self.shown {
            Shown::Texture(texture) => texture.set(image, TextureOptions::LINEAR),
            shown => {
                let texture = ctx.load_texture("picture", image, TextureOptions::LINEAR);
                *shown = Shown::Texture(texture);
            }
        }
    }

    /// The same picture as large as textures may be, where it is larger: egui would panic.
    fn smaller(&mut self, frame: &VideoFrame, max_side_px: usize) -> Option<Arc<VideoFrame>> {
        let size_px = fitting((frame.width_px(), frame.height_px()), max_side_px)?;
        self.scaler.scale(frame, size_px).ok().map(Arc::new)
    }
}

/// The size that a picture is to have instead, if it is too large. Even, and in the same proportions.
fn fitting((width_px, height_px): (u32, u32), max_side_px: usize) -> Option<(u32, u32)> {
    let most = u32::try_from(max_side_px).unwrap_or(u32::MAX).max(2);
    let longest = width_px.max(height_px);
    let side =
        |px: u32| ((u64::from(px) * u64::from(most) / u64::from(longest)) as u32 & !1).max(2);
    (longest > most).then(|| (side(width_px), side(height_px)))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn grey(luma: u8, (width_px, height_px): (u32, u32)) -> VideoFrame {
        let mut planes = vec![128; VideoFrame::len_bytes(width_px, height_px)];
        planes[..(width_px * height_px) as usize].fill(luma);
        VideoFrame::from_planes(width_px, height_px, planes, Instant::now()).unwrap()
    }

    /// What the renderer is given in one pass.
    fn uploaded(ctx: &Context) -> Vec<ImageData> {
        let mut output = ctx.run_ui(egui::RawInput::default(), |_| {});
        let deltas = output.textures_delta.set.values().flatten();
        let images = deltas.map(|delta| delta.image.clone()).collect();
        output.textures_delta.clear();
        images
    }

    fn first_pixel(images: &[ImageData]) -> Color32 {
        let ImageData::Color(image) = images.last().expect("a picture was set");
        image.pixels[0]
    }

    #[test]
    fn a_picture_that_the_renderer_still_holds_is_not_written_over() {
        let ctx = Context::default();
        assert!(!uploaded(&ctx).is_empty(), "the letters");
        let picture = Picture::default();
        picture.set(&ctx, grey(235, (8, 4)));
        let held = uploaded(&ctx);
        picture.set(&ctx, grey(16, (8, 4)));
        assert_eq!(first_pixel(&held), Color32::WHITE);
        assert_eq!(first_pixel(&uploaded(&ctx)), Color32::BLACK);
    }

    #[test]
    fn the_memory_is_used_again_once_the_picture_is_drawn() {
        let ctx = Context::default();
        assert!(!uploaded(&ctx).is_empty(), "the letters");
        let picture = Picture::default();
        picture.set(&ctx, grey(16, (8, 4)));
        drop(uploaded(&ctx));
        let place = Arc::as_ptr(&picture.inner().image);
        picture.set(&ctx, grey(235, (8, 4)));
        assert_eq!(Arc::as_ptr(&picture.inner().image), place);
        assert_eq!(first_pixel(&uploaded(&ctx)), Color32::WHITE);
        picture.set(&ctx, grey(235, (16, 4)));
        let size = picture.get().map(|(_, size)| size);
        assert_eq!(size, Some(vec2(16.0, 4.0)));
    }
    #[test]
    fn a_picture_that_is_larger_than_a_texture_may_be_is_made_smaller() {
        assert_eq!(fitting((640, 480), 2048), None);
        assert_eq!(fitting((4096, 2304), 2048), Some((2048, 1152)));
        assert_eq!(fitting((4096, 2), 2048), Some((2048, 2)));
        let ctx = Context::default();
        let input = egui::RawInput {
            max_texture_side: Some(1024),
            ..egui::RawInput::default()
        };
        let picture = Picture::default();
        let mut output = ctx.run_ui(input, |ui| picture.set(ui.ctx(), grey(235, (2048, 1024))));
        output.textures_delta.clear();
        assert_eq!(picture.size_px(), Some((1024, 512)));
    }
}
