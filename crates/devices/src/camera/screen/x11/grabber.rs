//! Reads the pixels of one monitor or window, again and again.

use media::video::VideoFrame;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::composite::{self, ConnectionExt as _, Redirect};
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, ImageFormat, ImageOrder, Pixmap};

use super::{Session, cursor, failed, lost};
use crate::{DeviceProblem, VideoSource};

/// What was read.
pub(super) struct Image<'a> {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    /// Rows without padding.
    pub(super) bgrx: &'a [u8],
    /// Whether it is another picture than the last one.
    pub(super) is_new: bool,
}

/// See the module.
pub(super) struct Grabber {
    session: Session,
    what: What,
    has_pointer: bool,
    newest: Vec<u8>,
    size: (u16, u16),
}

enum What {
    Monitor {
        name: Option<String>,
    },
    Window {
        id: u32,
        /// Its contents, until it changes its size.
        contents: Option<(Pixmap, (u16, u16))>,
    },
}

/// A part of something that can be read.
struct Area {
    of: Drawable,
    at: (i16, i16),
    /// Where that is on the screen.
    on_screen: (i16, i16),
    size: (u16, u16),
}

impl Grabber {
    pub(super) fn open(session: Session, source: &VideoSource) -> Result<Self, DeviceProblem> {
        let what = match source {
            VideoSource::Screen(name) => What::Monitor { name: name.clone() },
            VideoSource::Window(id) => {
                session.redirect(*id)?;
                What::Window {
                    id: *id,
                    contents: None,
                }
            }
            _ => return Err(DeviceProblem::NotFound),
        };
        session.check_layout()?;
        let has_pointer = cursor::is_told(&session.connection);
        let mut grabber = Self {
            session,
            what,
            has_pointer,
            newest: Vec::new(),
            size: (0, 0),
        };
        // What is not there is found out now.
        grabber.area()?;
        Ok(grabber)
    }

    /// Reads it as it is now.
    pub(super) fn grab(&mut self) -> Result<Image<'_>, DeviceProblem> {
        let area = self.area()?;
        let (width, height) = area.size;
        let (x, y) = area.at;
        let connection = &self.session.connection;
        let format = ImageFormat::Z_PIXMAP;
        let reply = connection
            .get_image(format, area.of, x, y, width, height, !0)
            .map_err(lost)?
            .reply()
            .map_err(failed)?;
        let mut bgrx = reply.data;
        if bgrx.len() < usize::from(width) * usize::from(height) * 4 {
            return Err(DeviceProblem::NoUsableFormat);
        }
        if self.has_pointer {
            cursor::draw(connection, &mut bgrx, area.size, area.on_screen);
        }
        let (bgrx, size) = thinned_out(bgrx, area.size);
        let is_new = self.size != size || self.newest != bgrx;
        (self.newest, self.size) = (bgrx, size);
        Ok(Image {
            width_px: size.0.into(),
            height_px: size.1.into(),
            bgrx: &self.newest,
            is_new,
        })
    }

    fn area(&mut self) -> Result<Area, DeviceProblem> {
        let session = &self.session;
        match &mut self.what {
            What::Monitor { name } => {
                let mut monitors = session.monitors()?.into_iter();
                let monitor = match name {
                    Some(name) => monitors.find(|monitor| monitor.name == *name),
                    None => monitors.next(),
                };
                let monitor = monitor.ok_or(DeviceProblem::Unplugged)?;
                Ok(Area {
                    of: session.root,
                    at: (monitor.x, monitor.y),
                    on_screen: (monitor.x, monitor.y),
                    size: (monitor.width, monitor.height),
                })
            }
            What::Window { id, contents } => {
                let connection = &session.connection;
                let geometry = connection.get_geometry(*id).map_err(lost)?;
                let geometry = geometry.reply().map_err(failed)?;
                let size = (geometry.width, geometry.height);
                let origin = connection
                    .translate_coordinates(*id, session.root, 0, 0)
                    .map_err(lost)?
                    .reply()
                    .map_err(failed)?;
                let pixmap = match contents {
                    Some((pixmap, of_size)) if *of_size == size => *pixmap,
                    _ => {
                        if let Some((old, _)) = contents.take() {
                            connection.free_pixmap(old).map_err(lost)?;
                        }
                        let pixmap = session.contents(*id)?;
                        *contents = Some((pixmap, size));
                        pixmap
                    }
                };
                Ok(Area {
                    of: pixmap,
                    at: (0, 0),
                    on_screen: (origin.dst_x, origin.dst_y),
                    size,
                })
            }
        }
    }
}

impl Session {
    /// Whether pixels are four bytes: blue, green, red and one more, as nearly everywhere.
    fn check_layout(&self) -> Result<(), DeviceProblem> {
        let setup = self.connection.setup();
        let screen = setup.roots.iter().find(|screen| screen.root == self.root);
        let depth = screen.map_or(0, |screen| screen.root_depth);
        let mut formats = setup.pixmap_formats.iter();
        let is_usual = setup.image_byte_order == ImageOrder::LSB_FIRST
            && formats.any(|format| format.depth == depth && format.bits_per_pixel == 32)
            && depth == 24;
        is_usual.then_some(()).ok_or(DeviceProblem::NoUsableFormat)
    }

    /// Has the contents of a window kept, whatever lies over it.
    fn redirect(&self, id: u32) -> Result<(), DeviceProblem> {
        let connection = &self.connection;
        let extension = connection
            .extension_information(composite::X11_EXTENSION_NAME)
            .map_err(lost)?;
        if extension.is_none() {
            return Err(DeviceProblem::Other(
                "this X server cannot share single windows; share the whole screen".to_owned(),
            ));
        }
        let version = connection.composite_query_version(0, 4).map_err(lost)?;
        version.reply().map_err(failed)?;
        connection
            .composite_redirect_window(id, Redirect::AUTOMATIC)
            .map_err(lost)?
            .check()
            .map_err(failed)
    }

    fn contents(&self, id: u32) -> Result<Pixmap, DeviceProblem> {
        let pixmap = self.connection.generate_id().map_err(|error| {
            DeviceProblem::Other(format!("the X server has no more names: {error}"))
        })?;
        self.connection
            .composite_name_window_pixmap(id, pixmap)
            .map_err(lost)?
            .check()
            .map_err(failed)?;
        Ok(pixmap)
    }
}

/// A picture that is larger than pictures may be, with every other pixel and row left out.
fn thinned_out(bgrx: Vec<u8>, (width, height): (u16, u16)) -> (Vec<u8>, (u16, u16)) {
    let most = VideoFrame::MAX_SIDE_PX;
    if width == 0 || u32::from(width) <= most && u32::from(height) <= most {
        return (bgrx, (width, height));
    }
    let rows = bgrx.chunks_exact(usize::from(width) * 4).step_by(2);
    let pixels = rows.flat_map(|row| row.chunks_exact(8).flat_map(|pair| &pair[..4]));
    let thinned = pixels.copied().collect();
    let halves = (width / 2, height.div_ceil(2));
    thinned_out(thinned, halves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_thinned_out_until_it_fits() {
        let small = vec![7; 16];
        assert_eq!(thinned_out(small.clone(), (2, 2)), (small, (2, 2)));
        let width = 5001_u16;
        let wide: Vec<u8> = (0..u32::from(width) * 3)
            .flat_map(|n| (n % u32::from(width)).to_le_bytes())
            .collect();
        let (thinned, size) = thinned_out(wide, (width, 3));
        assert_eq!(size, (2500, 2));
        assert_eq!(thinned.len(), 2500 * 2 * 4);
        assert_eq!(thinned[4..8], 2_u32.to_le_bytes());
        assert_eq!(thinned_out(Vec::new(), (0, 9000)).1.0, 0);
    }
}
