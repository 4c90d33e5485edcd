//! The newest pictures as textures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egui::{Color32, ColorImage, Context, ImageData, TextureHandle, TextureId, TextureOptions};
use egui::{Vec2, vec2};
use media::video::{VideoFrame, to_rgba};

/// One's own picture and the stranger's.
#[derive(Default)]
pub struct Pictures {
    /// One's own.
    pub local: Picture,
    /// The stranger's.
    pub remote: Picture,
    /// The stranger's screen.
    pub remote_screen: Picture,
}

/// A picture that changes many times a second. Clones show the same one: the mini window has what the main window has.
#[derive(Default, Clone)]
pub struct Picture(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    texture: Option<TextureHandle>,
    /// What is in the texture, or will be. The renderer lets go of it when it has drawn it, and then the next is written here.
    image: Arc<ColorImage>,
}

impl Picture {
    /// Shows `frame` from now on.
    pub fn set(&self, ctx: &Context, frame: &VideoFrame) {
        let inner = &mut *self.inner();
        let size = [frame.width_px() as usize, frame.height_px() as usize];
        if inner.image.size != size || Arc::get_mut(&mut inner.image).is_none() {
            inner.image = Arc::new(ColorImage::filled(size, Color32::BLACK));
        }
        // An opaque picture is its own premultiplied form. Nobody else has the image, so that nothing is copied.
        to_rgba(frame, Arc::make_mut(&mut inner.image).as_raw_mut());
        let image = ImageData::Color(Arc::clone(&inner.image));
        match &mut inner.texture {
            Some(texture) => texture.set(image, TextureOptions::LINEAR),
            None => {
                inner.texture = Some(ctx.load_texture("picture", image, TextureOptions::LINEAR));
            }
        }
    }

    /// Shows nothing from now on.
    pub fn clear(&self) {
        self.inner().texture = None;
    }

    /// Width and height in pixels, if there is a picture.
    pub fn size_px(&self) -> Option<(u32, u32)> {
        let (_, size) = self.get()?;
        Some((size.x as u32, size.y as u32))
    }

    /// The texture and its size in pixels, if there is a picture.
    pub fn get(&self) -> Option<(TextureId, Vec2)> {
        self.inner().texture.as_ref().map(|texture| {
            let [width, height] = texture.size();
            (texture.id(), vec2(width as f32, height as f32))
        })
    }

    /// All windows are drawn by one thread, so that nobody waits here.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        picture.set(&ctx, &grey(235, (8, 4)));
        let held = uploaded(&ctx);
        picture.set(&ctx, &grey(16, (8, 4)));
        assert_eq!(first_pixel(&held), Color32::WHITE);
        assert_eq!(first_pixel(&uploaded(&ctx)), Color32::BLACK);
    }

    #[test]
    fn the_memory_is_used_again_once_the_picture_is_drawn() {
        let ctx = Context::default();
        assert!(!uploaded(&ctx).is_empty(), "the letters");
        let picture = Picture::default();
        picture.set(&ctx, &grey(16, (8, 4)));
        drop(uploaded(&ctx));
        let place = Arc::as_ptr(&picture.inner().image);
        picture.set(&ctx, &grey(235, (8, 4)));
        assert_eq!(Arc::as_ptr(&picture.inner().image), place);
        assert_eq!(first_pixel(&uploaded(&ctx)), Color32::WHITE);
        picture.set(&ctx, &grey(235, (16, 4)));
        let size = picture.get().map(|(_, size)| size);
        assert_eq!(size, Some(vec2(16.0, 4.0)));
    }
}
