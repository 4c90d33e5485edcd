//! Small pictures of what can be shared, as textures, while the person chooses.

use egui::{Color32, ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2, vec2};
use engine::{Preview, VideoSource};
use media::video::to_rgba;

/// The newest pictures, one for each screen and window that could be read.
#[derive(Default)]
pub struct Previews(Vec<(VideoSource, TextureHandle)>);

impl Previews {
    /// Shows these, and no others, from now on.
    pub fn set(&mut self, ctx: &Context, previews: &[Preview]) {
        let mut known = std::mem::take(&mut self.0);
        for Preview { source, picture } in previews {
            let size = [picture.width_px() as usize, picture.height_px() as usize];
            let mut image = ColorImage::filled(size, Color32::BLACK);
            to_rgba(picture, image.as_raw_mut());
            let at = known.iter().position(|(known, _)| known == source);
            let texture = match at.map(|at| known.swap_remove(at)) {
                Some((_, mut texture)) => {
                    texture.set(image, TextureOptions::LINEAR);
                    texture
                }
                None => ctx.load_texture("preview", image, TextureOptions::LINEAR),
            };
            self.0.push((source.clone(), texture));
        }
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The picture of `source` and its size, if there is one.
    pub fn get(&self, source: &VideoSource) -> Option<(TextureId, Vec2)> {
        let (_, texture) = self.0.iter().find(|(known, _)| known == source)?;
        let [width, height] = texture.size();
        Some((texture.id(), vec2(width as f32, height as f32)))
    }
}
