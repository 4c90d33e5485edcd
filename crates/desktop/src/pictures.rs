//! The newest pictures as textures.

use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2, vec2};
use media::video::{VideoFrame, to_rgba};

/// One's own picture and the stranger's.
#[derive(Default)]
pub struct Pictures {
    /// One's own.
    pub local: Picture,
    /// The stranger's.
    pub remote: Picture,
}

/// A picture that changes many times a second.
#[derive(Default)]
pub struct Picture {
    texture: Option<TextureHandle>,
    // Keeps its memory from one frame to the next.
    rgba: Vec<u8>,
}

impl Picture {
    /// Shows `frame` from now on.
    pub fn set(&mut self, ctx: &Context, frame: &VideoFrame) {
        to_rgba(frame, &mut self.rgba);
        let size = [frame.width_px() as usize, frame.height_px() as usize];
        // An opaque picture is its own premultiplied form, which saves a pass over all pixels.
        let image = ColorImage::from_rgba_premultiplied(size, &self.rgba);
        match &mut self.texture {
            Some(texture) => texture.set(image, TextureOptions::LINEAR),
            None => self.texture = Some(ctx.load_texture("picture", image, TextureOptions::LINEAR)),
        }
    }

    /// Shows nothing from now on.
    pub fn clear(&mut self) {
        self.texture = None;
    }

    /// The texture and its size in pixels, if there is a picture.
    pub fn get(&self) -> Option<(TextureId, Vec2)> {
        self.texture.as_ref().map(|texture| {
            let [width, height] = texture.size();
            (texture.id(), vec2(width as f32, height as f32))
        })
    }
}
