//! The pointer, which is not part of what is read of a screen.

use x11rb::connection::RequestConnection as _;
use x11rb::protocol::xfixes::{self, ConnectionExt as _, GetCursorImageReply};
use x11rb::rust_connection::RustConnection;

/// Whether the server can tell where the pointer is and what it looks like.
pub(super) fn is_told(connection: &RustConnection) -> bool {
    let extension = connection.extension_information(xfixes::X11_EXTENSION_NAME);
    let version = connection.xfixes_query_version(4, 0);
    extension.is_ok_and(|found| found.is_some())
        && version.is_ok_and(|cookie| cookie.reply().is_ok())
}

/// Draws it over a picture of this size, whose corner is at `origin` on the screen.
pub(super) fn draw(
    connection: &RustConnection,
    bgrx: &mut [u8],
    size: (u16, u16),
    origin: (i16, i16),
) {
    let image = connection.xfixes_get_cursor_image();
    if let Some(cursor) = image.ok().and_then(|cookie| cookie.reply().ok()) {
        blend(&cursor, bgrx, size, origin);
    }
}

/// Premultiplied, as the server tells it.
fn blend(
    cursor: &GetCursorImageReply,
    bgrx: &mut [u8],
    (width, height): (u16, u16),
    origin: (i16, i16),
) {
    if cursor.width == 0 {
        return;
    }
    let left = i32::from(cursor.x) - i32::from(cursor.xhot) - i32::from(origin.0);
    let top = i32::from(cursor.y) - i32::from(cursor.yhot) - i32::from(origin.1);
    for (n, argb) in cursor.cursor_image.iter().enumerate() {
        let (column, row) = (n % usize::from(cursor.width), n / usize::from(cursor.width));
        let (x, y) = (left + column as i32, top + row as i32);
        let is_inside = (0..i32::from(width)).contains(&x) && (0..i32::from(height)).contains(&y);
        let alpha = argb >> 24;
        if !is_inside || alpha == 0 {
            continue;
        }
        let at = (y as usize * usize::from(width) + x as usize) * 4;
        if let Some(pixel) = bgrx.get_mut(at..at + 3) {
            for (channel, below) in pixel.iter_mut().enumerate() {
                let above = (argb >> (8 * channel)) & 0xff;
                let shining_through = u32::from(*below) * (255 - alpha) / 255;
                *below = (above + shining_through).min(255) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(x: i16, y: i16, image: [u32; 4]) -> GetCursorImageReply {
        GetCursorImageReply {
            x,
            y,
            width: 2,
            height: 2,
            xhot: 1,
            yhot: 0,
            cursor_image: image.to_vec(),
            ..GetCursorImageReply::default()
        }
    }

    #[test]
    fn the_pointer_lies_over_the_picture_where_it_points() {
        const RED: u32 = 0xffff_0000;
        let mut bgrx = vec![100; 4 * 4 * 4];
        // Its hot spot is at the second pixel of the first row.
        blend(
            &pointer(12, 21, [RED, 0, 0x8040_4040, RED]),
            &mut bgrx,
            (4, 4),
            (10, 20),
        );
        let pixel = |x: usize, y: usize| &bgrx[(y * 4 + x) * 4..][..3];
        assert_eq!(pixel(1, 1), [0, 0, 255]);
        assert_eq!(pixel(2, 1), [100; 3], "nothing is there");
        assert_eq!(pixel(1, 2), [0x40 + 49; 3], "half of it shines through");
        assert_eq!(pixel(2, 2), [0, 0, 255]);
        assert_eq!(pixel(0, 0), [100; 3]);
    }

    #[test]
    fn a_pointer_beyond_the_edge_or_an_odd_one_does_no_harm() {
        let mut bgrx = vec![100; 4 * 4 * 4];
        for (x, y) in [(-1, -1), (4, 4), (i16::MIN, i16::MAX)] {
            blend(&pointer(x, y, [!0; 4]), &mut bgrx, (4, 4), (0, 0));
        }
        let mut odd = pointer(1, 1, [!0; 4]);
        odd.width = 0;
        blend(&odd, &mut bgrx, (4, 4), (0, 0));
        odd.width = 2;
        blend(&odd, &mut [], (4, 4), (0, 0));
    }
}
