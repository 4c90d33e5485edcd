//! The icon in the files that macOS and Windows want: containers of the PNGs that are drawn from one picture.

use std::path::Path;
use std::process::Command;

use super::contents::ICON;
use super::{output_bytes, put};
use crate::packages;
use crate::process::workspace;

/// Where the files lie in the repository. They are kept there, for the machines that pack have nothing to draw with.
pub(super) const ICNS: &str = "assets/icon/passerby.icns";
pub(super) const ICO: &str = "assets/icon/passerby.ico";

/// Apple's names of sizes, in pixels: those for one and for two pixels per point, all of which are PNGs (the format has no
/// specification; these are what `iconutil` writes).
const ICNS_TYPES: [(&[u8; 4], u32); 8] = [
    (b"ic11", 32),
    (b"ic12", 64),
    (b"ic07", 128),
    (b"ic13", 256),
    (b"ic08", 256),
    (b"ic14", 512),
    (b"ic09", 512),
    (b"ic10", 1024),
];
/// The sizes that Windows asks for, in pixels.
const ICO_SIZES: [u32; 7] = [16, 24, 32, 48, 64, 128, 256];

/// Draws both files anew.
///
/// # Errors
/// Says what could not be drawn or written.
pub(crate) fn icons() -> Result<(), String> {
    packages::ensure(&["package"])?;
    let root = workspace();
    let mut drawn = Vec::new();
    for (kind, size) in ICNS_TYPES {
        drawn.push((*kind, draw(&root, size)?));
    }
    put(&root.join(ICNS), &icns(&drawn))?;
    let mut drawn = Vec::new();
    for size in ICO_SIZES {
        drawn.push((size, draw(&root, size)?));
    }
    put(&root.join(ICO), &ico(&drawn))
}

/// The icon as a PNG, so large, in pixels.
fn draw(root: &Path, size: u32) -> Result<Vec<u8>, String> {
    let size = size.to_string();
    let mut draw = Command::new("rsvg-convert");
    draw.args(["--width", &size, "--height", &size]);
    output_bytes(draw.arg(root.join(ICON)))
}

/// A file of Apple's icons: a head, and each picture behind its name and length.
fn icns(pictures: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, png) in pictures {
        body.extend(kind);
        body.extend((png.len() as u32 + 8).to_be_bytes());
        body.extend(png);
    }
    let length = (body.len() as u32 + 8).to_be_bytes();
    [b"icns", &length[..], &body].concat()
}

/// A file of Windows' icons: a head, an entry for each picture, and the pictures.
fn ico(pictures: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0, 1, pictures.len() as u16] {
        file.extend(word.to_le_bytes());
    }
    let mut at = 6 + 16 * pictures.len();
    for (size, png) in pictures {
        // 256 is written as 0.
        let side = *size as u8;
        file.extend([side, side, 0, 0]);
        for word in [1_u16, 32] {
            file.extend(word.to_le_bytes());
        }
        for word in [png.len(), at] {
            file.extend((word as u32).to_le_bytes());
        }
        at += png.len();
    }
    for (_, png) in pictures {
        file.extend(png);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> usize {
        bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
    }

    fn little(bytes: &[u8]) -> usize {
        bytes
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
    }

    /// Width and height of a PNG that is whole: its chunks follow each other from the head to the end (RFC 2083).
    fn png_size(png: &[u8]) -> (usize, usize) {
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&png[12..16], b"IHDR");
        let mut at = 8;
        let mut last = &png[..0];
        while at < png.len() {
            let length = number(&png[at..at + 4]);
            last = &png[at + 4..at + 8];
            at += 12 + length;
        }
        assert_eq!((at, last), (png.len(), &b"IEND"[..]), "it is cut off");
        (number(&png[16..20]), number(&png[20..24]))
    }

    #[test]
    fn apples_icon_has_whole_pictures_of_all_sizes() {
        let file = std::fs::read(workspace().join(ICNS)).unwrap();
        assert_eq!(
            (&file[..4], number(&file[4..8])),
            (&b"icns"[..], file.len())
        );
        let mut at = 8;
        let mut found = Vec::new();
        while at < file.len() {
            let length = number(&file[at + 4..at + 8]);
            let size = png_size(&file[at + 8..at + length]);
            found.push((file[at..at + 4].to_vec(), size));
            at += length;
        }
        let wanted = ICNS_TYPES.map(|(kind, size)| (kind.to_vec(), (size as usize, size as usize)));
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_icon_of_windows_has_whole_pictures_of_all_sizes() {
        let file = std::fs::read(workspace().join(ICO)).unwrap();
        assert_eq!(file[..4], [0, 0, 1, 0]);
        let count = little(&file[4..6]);
        let mut end = 6 + 16 * count;
        let entries = file[6..end].chunks(16);
        let sizes: Vec<usize> = entries
            .map(|entry| {
                let (length, at) = (little(&entry[8..12]), little(&entry[12..16]));
                assert_eq!(at, end, "one begins where the last ends");
                end += length;
                let (width, height) = png_size(&file[at..end]);
                assert_eq!((width % 256, height), (usize::from(entry[0]), width));
                width
            })
            .collect();
        assert_eq!(end, file.len());
        assert_eq!(sizes, ICO_SIZES.map(|size| size as usize));
    }
}
